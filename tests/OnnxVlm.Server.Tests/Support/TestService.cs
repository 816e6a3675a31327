using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using OnnxVlm.Server.Models;

namespace OnnxVlm.Server.Tests.Support;

/// <summary>The service on a free port of the loopback interface, and a client of it.</summary>
internal sealed class TestService : IAsyncDisposable
{
    private readonly WebApplication _app;

    private TestService(WebApplication app, MemoryLog log)
    {
        _app = app;
        Log = log;
        Address = new Uri(app.Urls.First());
        Client = new HttpClient { BaseAddress = Address, Timeout = TimeSpan.FromMinutes(2) };
    }

    public Uri Address { get; }

    public HttpClient Client { get; }

    /// <summary>All log lines, of every level.</summary>
    public MemoryLog Log { get; }

    public IServiceProvider Services => _app.Services;

    public T Get<T>()
        where T : notnull => _app.Services.GetRequiredService<T>();

    /// <summary>Starts the service.</summary>
    /// <param name="loader">Loads models; null for the real loader.</param>
    /// <param name="settings">Options, as <c>Name=Value</c>; the model <c>nano</c> is always there.</param>
    public static Task<TestService> StartAsync(IModelLoader? loader, params string[] settings) => StartAsync(loader, _ => { }, settings);

    /// <summary>Starts the service, with other services than its own.</summary>
    /// <param name="loader">Loads models; null for the real loader.</param>
    /// <param name="configure">Changes the services.</param>
    /// <param name="settings">Options, as <c>Name=Value</c>.</param>
    public static async Task<TestService> StartAsync(IModelLoader? loader, Action<IServiceCollection> configure, params string[] settings)
    {
        MemoryLog log = new();
        WebApplication app = OnnxVlmServer.Create(Settings(settings), builder =>
        {
            builder.Logging.ClearProviders().AddProvider(log).SetMinimumLevel(LogLevel.Trace);
            if (loader is not null)
                builder.Services.AddSingleton(loader);
            configure(builder.Services);
        });
        await app.StartAsync();
        return new TestService(app, log);
    }

    /// <summary>The configuration that the service starts with.</summary>
    public static IEnumerable<KeyValuePair<string, string?>> Settings(params string[] settings) => new Dictionary<string, string?>(
        settings.Select(setting => setting.Split('=', 2)).Select(pair => KeyValuePair.Create(pair[0] == "urls" ? pair[0] : $"OnnxVlmServer:{pair[0]}", (string?)pair[1])))
    {
        ["OnnxVlmServer:Models:0:Name"] = "nano",
        ["OnnxVlmServer:Models:0:Folder"] = Nano.Folder,
        ["OnnxVlmServer:Models:0:Device"] = "Cpu",
    }.Append(KeyValuePair.Create("urls", (string?)"http://127.0.0.1:0")).DistinctBy(pair => pair.Key);

    /// <summary>Posts JSON.</summary>
    public async Task<Reply> PostAsync(string path, object body, string? key = null, CancellationToken cancellationToken = default)
    {
        using HttpRequestMessage request = Request(path, body, key);
        using HttpResponseMessage response = await Client.SendAsync(request, cancellationToken);
        return await Reply.ReadAsync(response);
    }

    public async Task<Reply> GetAsync(string path, string? key = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, path);
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        using HttpResponseMessage response = await Client.SendAsync(request);
        return await Reply.ReadAsync(response);
    }

    /// <summary>Posts a chat with one user message.</summary>
    /// <param name="content">What the user says: a text, or parts.</param>
    /// <param name="more">More fields of the request.</param>
    /// <param name="cancellationToken">Hangs up.</param>
    public Task<Reply> ChatAsync(object content, object? more = null, CancellationToken cancellationToken = default) => PostAsync("/v1/chat/completions", Chat(content, more), null, cancellationToken);

    /// <summary>The body of a chat with one user message.</summary>
    public static Dictionary<string, object?> Chat(object content, object? more = null)
    {
        Dictionary<string, object?> body = new() { ["model"] = "nano", ["messages"] = new[] { new { role = "user", content } } };
        foreach (JsonProperty field in JsonSerializer.SerializeToElement(more ?? new { }).EnumerateObject())
            body[field.Name] = field.Value;
        return body;
    }

    public static HttpRequestMessage Request(string path, object body, string? key = null)
    {
        HttpRequestMessage request = new(HttpMethod.Post, path) { Content = new StringContent(body as string ?? JsonSerializer.Serialize(body), Encoding.UTF8, "application/json") };
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return request;
    }

    /// <summary>Stops the service as SIGTERM does.</summary>
    public Task StopAsync() => _app.StopAsync();

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        await _app.DisposeAsync();
    }
}
