using Microsoft.Extensions.AI;
using OnnxVlm.Imaging;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Uploads;

namespace OnnxVlm.Server.Reading;

/// <summary>
/// The images of a request: data URIs, images that were uploaded before, and URLs where fetching is switched on. The file's header is read and its
/// size, sides and kind are checked here, before the request waits for its turn; it is decoded later, by as many requests at once as may run.
/// </summary>
/// <param name="remote">Fetches images.</param>
/// <param name="uploads">The images that were uploaded before.</param>
/// <param name="limits">The service's limits.</param>
internal sealed class ImageReader(RemoteImages remote, UploadStore uploads, ServerOptions limits)
{
    /// <summary>Starts to read the images of a request.</summary>
    /// <param name="client">Who asks.</param>
    public RequestImages For(string client) => new(this, client, limits.MaxImages);

    /// <summary>Reads an image that is given as base64 alone.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="base64">The file.</param>
    /// <exception cref="ApiException">It is not base64, or the image is outside the limits.</exception>
    public DataContent ReadBase64(string param, string base64) => Check(param, Decode(param, base64));

    /// <summary>Reads an image.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="url">What it gives as URL.</param>
    /// <param name="client">Who asks.</param>
    /// <param name="cancellationToken">Ends the fetching, where that is allowed.</param>
    /// <exception cref="ApiException">The URL is not one of an image, or the image is outside the limits.</exception>
    public async Task<DataContent> ReadAsync(string param, string url, string client, CancellationToken cancellationToken)
    {
        byte[] bytes = url.StartsWith("data:", StringComparison.OrdinalIgnoreCase) ? ReadDataUri(param, url)
            : url.StartsWith(UploadStore.Scheme, StringComparison.Ordinal) ? uploads.Find(param, client, url)
            : await remote.FetchAsync(param, url, client, cancellationToken).ConfigureAwait(false);
        return Check(param, bytes);
    }

    private static byte[] ReadDataUri(string param, string url)
    {
        int comma = url.IndexOf(',', StringComparison.Ordinal);
        if (comma < 0 || !url.AsSpan(0, comma).EndsWith(";base64", StringComparison.OrdinalIgnoreCase)
            || !url.AsSpan(5).StartsWith("image/", StringComparison.OrdinalIgnoreCase))
            throw ApiException.Invalid(param, "expected data:image/png;base64,… or another of data:image/jpeg, gif, webp and bmp.", "invalid_image_url");
        return Decode(param, url.AsSpan(comma + 1));
    }

    private static byte[] Decode(string param, ReadOnlySpan<char> encoded)
    {
        byte[] bytes = new byte[encoded.Length / 4 * 3 + 3];
        if (!Convert.TryFromBase64Chars(encoded, bytes, out int length))
            throw ApiException.Invalid(param, "the image is not valid base64.", "invalid_image_url");
        return bytes[..length];
    }

    /// <summary>Checks the header of a file against the limits.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="bytes">The file.</param>
    /// <exception cref="ApiException">It is no image, or outside the limits.</exception>
    public DataContent Check(string param, byte[] bytes)
    {
        try
        {
            limits.Images.CheckBytes(bytes.Length);
            ImageHeader header = ImageHeader.Read(bytes);
            limits.Images.CheckSize(header.WidthPx, header.HeightPx);
            // The bytes determine the kind, whatever the URI says.
            return new DataContent(bytes, $"image/{header.Format.ToString().ToLowerInvariant()}");
        }
        catch (InvalidImageException e)
        {
            throw new ApiException(StatusCodes.Status400BadRequest, $"{param}: {e.Message}.", param, "invalid_image", e);
        }
    }
}
