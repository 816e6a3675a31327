using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Runtime.CompilerServices;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;
using OnnxVlm.Server;

namespace OnnxVlm.Page.Tests;

/// <summary>The service with the shipped model, on a free port of this machine.</summary>
internal sealed class PageServer : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly HttpClient _client;

    private PageServer(WebApplication app, string? apiKey)
    {
        _app = app;
        _client = new HttpClient { BaseAddress = new Uri(app.Urls.First()) };
        if (apiKey is not null)
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", apiKey);
    }

    public static string Root { get; } = Path.GetFullPath(Path.Combine(ThisFolder(), "..", ".."));

    public static string SampleImage { get; } = Path.Combine(Root, "onnx-models", "nano", "sample.png");

    /// <summary>Address of the page, without a slash at the end.</summary>
    public string Address => _app.Urls.First();

    public static async Task<PageServer> StartAsync(string? apiKey = null, Action<WebApplicationBuilder>? configure = null)
    {
        Dictionary<string, string?> settings = new()
        {
            ["urls"] = "http://127.0.0.1:0",
            ["OnnxVlmServer:Models:0:Name"] = "nano",
            ["OnnxVlmServer:Models:0:Folder"] = Path.Combine(Root, "onnx-models", "nano"),
        };
        if (apiKey is not null)
            settings["OnnxVlmServer:ApiKeys:0"] = apiKey;
        WebApplication app = OnnxVlmServer.Create(settings, builder =>
        {
            builder.Logging.ClearProviders();
            configure?.Invoke(builder);
        });
        await app.StartAsync();
        return new PageServer(app, apiKey);
    }

    /// <summary>Asks the API itself, without a stream.</summary>
    /// <param name="request">Body of the request; its stream options are taken out.</param>
    public async Task<JsonNode> CompleteAsync(JsonObject request)
    {
        JsonObject body = request.DeepClone().AsObject();
        body.Remove("stream");
        body.Remove("stream_options");
        body.Remove("return_progress");
        using HttpResponseMessage response = await _client.PostAsJsonAsync("v1/chat/completions", body);
        Assert.That(response.IsSuccessStatusCode, await response.Content.ReadAsStringAsync());
        return (await response.Content.ReadFromJsonAsync<JsonNode>())!;
    }

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _app.StopAsync();
        await _app.DisposeAsync();
    }

    private static string ThisFolder([CallerFilePath] string path = "") => Path.GetDirectoryName(path)!;
}
