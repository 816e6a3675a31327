using OnnxVlm.Server.Admission;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;

namespace OnnxVlm.Server.Uploads;

/// <summary>POST /v1/uploads takes an image that requests then name by its hash; GET tells the limits.</summary>
/// <param name="store">Keeps the images.</param>
/// <param name="images">Checks them.</param>
/// <param name="options">The limits.</param>
internal sealed class UploadsEndpoint(UploadStore store, ImageReader images, ServerOptions options)
{
    public async Task<UploadedImage> AddAsync(HttpContext context)
    {
        // A page of another origin can send a form or a plain text without asking first, but no image.
        if (context.Request.ContentType?.StartsWith("image/", StringComparison.OrdinalIgnoreCase) != true)
            throw new ApiException(StatusCodes.Status415UnsupportedMediaType,
                "The body must be an image; send it with Content-Type: image/png or another of image/jpeg, gif, webp and bmp.", null, "unsupported_media_type");
        if (context.Request.ContentLength > options.Images.MaxBytes)
            throw new ApiException(
                StatusCodes.Status413PayloadTooLarge, $"An image has at most {options.Images.MaxBytes} bytes; send a smaller one.", null, "image_too_large");
        byte[] bytes = await context.Features.Get<BodyReader>()!.ReadAsync().ConfigureAwait(false);
        images.Check("body", bytes);
        return new UploadedImage(store.Add(ClientKey.ClientOf(context), bytes), (long)options.UploadLifetime.TotalSeconds);
    }

    public UploadLimits Limits() => new(options.MaxImages, options.Images.MaxBytes, options.Images.MaxPixels);
}
