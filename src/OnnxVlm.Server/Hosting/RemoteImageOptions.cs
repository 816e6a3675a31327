using System.ComponentModel.DataAnnotations;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// Whether and how the service fetches images that a request names by URL. Fetched images have the same limits as all others; see also
/// <see cref="ServerOptions.Images"/>.
/// </summary>
public sealed class RemoteImageOptions
{
    /// <summary>Whether it fetches at all. Default false.</summary>
    public bool Enabled { get; set; }

    /// <summary>The hosts that it fetches from. Default none, which means every host that has public addresses only.</summary>
    public List<string> Hosts { get; set; } = [];

    /// <summary>The longest time for an image, including redirects. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Number of redirects that are followed; each address is checked like the first. Default 3.</summary>
    [Range(0, 10)]
    public int MaxRedirects { get; set; } = 3;
}
