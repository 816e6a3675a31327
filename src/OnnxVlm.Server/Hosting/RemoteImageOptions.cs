using System.ComponentModel.DataAnnotations;

namespace OnnxVlm.Server.Hosting;

/// <summary>Whether and how the service fetches images that a request names by URL. What it fetches is limited like every image; see also <see cref="ServerOptions.Images"/>.</summary>
public sealed class RemoteImageOptions
{
    /// <summary>Whether it fetches at all. Default false.</summary>
    public bool Enabled { get; set; }

    /// <summary>The hosts it fetches from. Default none, which is every host that has public addresses only.</summary>
    public List<string> Hosts { get; set; } = [];

    /// <summary>The longest an image takes, redirects included. Default 10 s.</summary>
    [Range(typeof(TimeSpan), "00:00:00.001", "00:10:00")]
    public TimeSpan Timeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Redirects that are followed, each to an address that is checked like the first. Default 3.</summary>
    [Range(0, 10)]
    public int MaxRedirects { get; set; } = 3;
}
