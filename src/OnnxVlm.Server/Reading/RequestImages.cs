using Microsoft.Extensions.AI;

namespace OnnxVlm.Server.Reading;

/// <summary>Reads and counts the images of one request. Used by one thread at a time.</summary>
/// <param name="reader">Reads one.</param>
/// <param name="client">Who asks.</param>
/// <param name="most">The maximum number.</param>
internal sealed class RequestImages(ImageReader reader, string client, int most)
{
    private int _count;

    /// <summary>Reads an image that is given by URL, which may be a data: URI.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="url">The URL.</param>
    /// <param name="cancellationToken">Ends the fetching, where that is allowed.</param>
    /// <exception cref="ApiException">There are too many, the URL is not one of an image, or the image is outside the limits.</exception>
    public Task<DataContent> ReadUrlAsync(string param, string url, CancellationToken cancellationToken)
    {
        Count(param);
        return reader.ReadAsync(param, url, client, cancellationToken);
    }

    /// <summary>Reads an image that is given as base64.</summary>
    /// <param name="param">The part of the request.</param>
    /// <param name="base64">The file.</param>
    /// <exception cref="ApiException">As above.</exception>
    public DataContent ReadBase64(string param, string base64)
    {
        Count(param);
        return reader.ReadBase64(param, base64);
    }

    /// <summary>Counts images that are already in the conversation.</summary>
    /// <param name="param">The part of the request that refers to them.</param>
    /// <param name="messages">The conversation.</param>
    /// <exception cref="ApiException">There are too many.</exception>
    public void CountThoseOf(string param, IEnumerable<ChatMessage> messages)
    {
        IEnumerable<AIContent> contents = messages.SelectMany(message => message.Contents)
            .SelectMany(content => content is FunctionResultContent { Result: IEnumerable<AIContent> parts } ? parts : [content]);
        foreach (AIContent _ in contents.Where(content => content is DataContent))
            Count(param);
    }

    private void Count(string param)
    {
        if (++_count > most)
            throw ApiException.Invalid(param, $"at most {most} images in a request.", "too_many_images");
    }
}
