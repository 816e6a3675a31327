namespace OnnxVlm.Server.Uploads;

/// <summary>Answer of GET /v1/uploads: what the images of a request must keep to.</summary>
/// <param name="MaxImages">Images of a request.</param>
/// <param name="MaxImageBytes">Bytes of one.</param>
/// <param name="MaxImagePixels">Pixels of one.</param>
internal sealed record UploadLimits(int MaxImages, long MaxImageBytes, long MaxImagePixels);
