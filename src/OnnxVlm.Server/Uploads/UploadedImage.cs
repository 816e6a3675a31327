namespace OnnxVlm.Server.Uploads;

/// <summary>Answer of POST /v1/uploads.</summary>
/// <param name="Url">What requests give as the image's URL.</param>
/// <param name="ExpiresIn">Seconds after its last use when it is forgotten, if there is room so long.</param>
internal sealed record UploadedImage(string Url, long ExpiresIn);
