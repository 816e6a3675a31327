using System.Reflection;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// The web page: the files of wwwroot, which are embedded in the assembly. They contain nothing secret, so a browser gets them without a key; the
/// page's own requests need one.
/// </summary>
internal static class EmbeddedPage
{
    private const string Prefix = "wwwroot/";

    private static readonly string[] Methods = [HttpMethods.Get, HttpMethods.Head];

    // The page may load only from this service, nothing inline runs, and nobody may put the page into a frame. Only DOMPurify turns text into HTML;
    // the other policy allows one address, that of the PDF worker.
    private const string ContentSecurityPolicy =
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; worker-src 'self'; base-uri 'none'; "
        + "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types dompurify pdf-worker";

    /// <summary>Maps each file to its path, and index.html to <c>/</c> as well.</summary>
    /// <param name="routes">The service.</param>
    public static void Map(IEndpointRouteBuilder routes)
    {
        FileExtensionContentTypeProvider types = new();
        Assembly assembly = typeof(EmbeddedPage).Assembly;
        foreach (string resource in assembly.GetManifestResourceNames())
        {
            // When built on Windows, the names have backslashes.
            string path = resource.Replace('\\', '/');
            if (!path.StartsWith(Prefix, StringComparison.Ordinal))
                continue;
            path = path[Prefix.Length..];
            // Most of the files are for PDF and LaTeX and are never requested.
            Lazy<(byte[] Bytes, EntityTagHeaderValue Tag)> content = new(() => Read(assembly, resource));
            string type = types.TryGetContentType(path, out string? known) ? known : "application/octet-stream";
            if (type.StartsWith("text/", StringComparison.Ordinal))
                type += "; charset=utf-8";
            IResult Serve(HttpContext context)
            {
                context.Response.Headers.ContentSecurityPolicy = ContentSecurityPolicy;
                context.Response.Headers.CacheControl = "no-cache";
                context.Response.Headers["Referrer-Policy"] = "no-referrer";
                return Results.Bytes(content.Value.Bytes, type, entityTag: content.Value.Tag);
            }

            routes.MapMethods($"/{path}", Methods, Serve).WithMetadata(new AllowAnonymousAttribute()).ExcludeFromDescription();
            if (path == "index.html")
                routes.MapMethods("/", Methods, Serve).WithMetadata(new AllowAnonymousAttribute()).ExcludeFromDescription();
        }
    }

    private static (byte[] Bytes, EntityTagHeaderValue Tag) Read(Assembly assembly, string resource)
    {
        using Stream stream = assembly.GetManifestResourceStream(resource)!;
        byte[] content = new byte[stream.Length];
        stream.ReadExactly(content);
        return (content, new EntityTagHeaderValue($"\"{Convert.ToHexStringLower(SHA256.HashData(content).AsSpan(0, 8))}\""));
    }
}
