using Microsoft.AspNetCore.Authorization;
using Microsoft.AspNetCore.HostFiltering;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OnnxVlm.Server.Admission;
using OnnxVlm.Hub;
using OnnxVlm.Server.Downloads;
using OnnxVlm.Server.Endpoints;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Reading;
using OnnxVlm.Server.Security;
using OnnxVlm.Server.Telemetry;
using OnnxVlm.Server.Uploads;
using OnnxVlm.Server.Wire;
using OnnxVlm.Server.Wires.Decisions;
using OnnxVlm.Server.Wires.Messages;
using OnnxVlm.Server.Wires.Ollama;
using OnnxVlm.Server.Wires.Responses;

namespace OnnxVlm.Server;

/// <summary>
/// The service: an OpenAI-compatible HTTP API over the models of some folders, and a web page.
/// <code>
/// await using WebApplication app = OnnxVlmServer.Create([new("OnnxVlmServer:Models:0:Name", "nano"), new("OnnxVlmServer:Models:0:Folder", "onnx-models/nano")]);
/// await app.RunAsync();
/// </code>
/// </summary>
public static class OnnxVlmServer
{
    /// <summary>Puts the service together.</summary>
    /// <param name="settings">Configuration that goes before appsettings.json and the environment: keys of <see cref="ServerOptions"/>, and <c>urls</c>, by default <c>http://127.0.0.1:8080</c>.</param>
    /// <param name="configure">Changes the host before it is built; null for nothing.</param>
    /// <returns>The service; the caller runs and disposes it. Models load when it starts.</returns>
    /// <exception cref="InvalidOperationException">It would listen outside loopback without an API key.</exception>
    /// <exception cref="OptionsValidationException">An option is missing or out of range.</exception>
    public static WebApplication Create(IEnumerable<KeyValuePair<string, string?>> settings, Action<WebApplicationBuilder>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        // Files are not watched for changes: for that every folder below the working directory would be, however many there are.
        WebApplicationBuilder builder = WebApplication.CreateBuilder(["--hostBuilder:reloadConfigOnChange=false"]);
        builder.Logging.AddFilter("Microsoft.AspNetCore", LogLevel.Warning);
        // What keeps the service from starting goes to who starts it, once.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.Critical);
        builder.Configuration.AddInMemoryCollection(settings);
        IReadOnlyList<string> addresses = ListenAddresses.Read(builder.Configuration);
        builder.WebHost.UseUrls([.. addresses]);
        AddServices(builder.Services, builder.Configuration);
        builder.WebHost.ConfigureKestrel((context, kestrel) => kestrel.AddServerHeader = false);
        configure?.Invoke(builder);

        WebApplication app = builder.Build();
        ServerOptions options = app.Services.GetRequiredService<ServerOptions>();
        if (options.ApiKeys.Count == 0)
            ListenAddresses.RequireLoopback(addresses);
        // Listens from now on, so that nothing is missed before it is first asked.
        _ = app.Services.GetRequiredService<PrometheusExporter>();
        UseMiddleware(app, options);
        MapEndpoints(app);
        return app;
    }

    private static void AddServices(IServiceCollection services, ConfigurationManager configuration)
    {
        services.AddOptions<ServerOptions>().Bind(configuration.GetSection(ServerOptions.Section)).ValidateOnStart();
        services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsValidator>();
        services.AddSingleton<IValidateOptions<ServerOptions>, ServerOptionsRules>();
        services.AddSingleton<IValidateOptions<ServerOptions>, UnknownOptions>();
        services.AddSingleton(provider => provider.GetRequiredService<IOptions<ServerOptions>>().Value);
        services.AddOptions<KestrelServerOptions>().Configure<ServerOptions>((kestrel, options) =>
        {
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;
            // A body that trickles is given up before its deadline; an answer that nobody takes is given up by SendTimeout.
            kestrel.Limits.MinRequestBodyDataRate = new MinDataRate(bytesPerSecond: 4096, gracePeriod: TimeSpan.FromSeconds(10));
        });
        services.AddOptions<HostOptions>().Configure<ServerOptions>((host, options) => host.ShutdownTimeout = options.ShutdownTimeout);
        services.AddCors();
        services.ConfigureHttpJsonOptions(json =>
        {
            WireJson.Configure(json.SerializerOptions);
            json.SerializerOptions.TypeInfoResolverChain.Insert(0, WireJson.Relaxed);
        });
        services.AddOpenApi("v1");
        OpenTelemetryExport.Add(services, configuration);

        services.AddSingleton<BodyGate>();
        services.AddSingleton<AdmissionQueue>();
        services.TryAddSingleton<IModelLoader, VlmModelLoader>();
        services.AddSingleton<ModelPool>();
        services.AddSingleton<RemoteImages>();
        services.AddSingleton(provider => new UploadStore(provider.GetRequiredService<ServerOptions>(), provider.GetService<TimeProvider>() ?? TimeProvider.System));
        services.AddSingleton<UploadsEndpoint>();
        services.TryAddSingleton<Func<ModelHub>>(() => new ModelHub());
        services.AddSingleton<ModelDownloads>();
        services.AddSingleton<DownloadsEndpoint>();
        services.AddSingleton<RequestReader>();
        services.AddSingleton<ImageReader>();
        services.AddSingleton<MessageReader>();
        services.AddSingleton<ToolReader>();
        services.AddSingleton<GuidanceReader>();
        services.AddSingleton<ChatRequestReader>();
        services.AddSingleton<CompletionRequestReader>();
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton<ResponseStore>();
        services.AddSingleton<ResponsesReader>();
        services.AddSingleton<ResponsesEndpoint>();
        services.AddSingleton<MessagesReader>();
        services.AddSingleton<MessagesEndpoint>();
        services.AddSingleton<DecisionEndpoint>();
        services.AddSingleton<OllamaReader>();
        services.AddSingleton<OllamaEndpoint>();
        services.AddSingleton<AnswerService>();
        services.AddSingleton<PromptService>();
        services.AddSingleton<WholeAnswer>();
        services.AddSingleton<LlamaServerEndpoint>();
        services.AddSingleton<RequestLog>();
        services.AddSingleton<AnswerStream>();
        services.AddSingleton<ChatEndpoint>();
        services.AddSingleton<CompletionEndpoint>();
        services.AddSingleton<TokensEndpoint>();
        services.AddSingleton<ModelsEndpoint>();
        services.AddSingleton<ServerMetrics>();
        services.AddSingleton<PrometheusExporter>();
        // The host's own check comes first and answers with a page; HostGate does it in the form of every other error.
        services.PostConfigure<HostFilteringOptions>(filtering => filtering.AllowedHosts = ["*"]);
        services.AddHostedService<ListenCheck>();
        services.AddSingleton<ServiceState>();
        services.AddHostedService(provider => provider.GetRequiredService<ServiceState>());
    }

    private static void UseMiddleware(WebApplication app, ServerOptions options)
    {
        app.UseMiddleware<RequestErrors>();
        app.UseMiddleware<HostGate>();
        app.UseRouting();
        if (options.AllowedOrigins.Count > 0)
            app.UseCors(policy => policy.WithOrigins([.. options.AllowedOrigins]).WithMethods("GET", "POST", "DELETE").AllowAnyHeader().WithExposedHeaders("x-request-id", "request-id", "retry-after"));
        app.UseMiddleware<ApiKeyGate>();
        app.UseMiddleware<BodyGate>();
    }

    private static void MapEndpoints(WebApplication app)
    {
        app.MapPost("/v1/chat/completions", (HttpContext context, ChatEndpoint endpoint) => endpoint.HandleAsync(context))
            .Accepts<ChatCompletionRequest>("application/json").Produces<ChatCompletion>().ProducesErrors().WithSummary("Answers a conversation, about images or not.");
        app.MapPost("/v1/completions", (HttpContext context, CompletionEndpoint endpoint) => endpoint.HandleAsync(context))
            .Accepts<CompletionRequest>("application/json").Produces<TextCompletion>().ProducesErrors().WithSummary("Continues a text.");
        app.MapPost("/tokenize", (HttpContext context, TokensEndpoint endpoint) => endpoint.TokenizeAsync(context))
            .Accepts<TokenizeRequest>("application/json").ProducesErrors().WithSummary("The tokens of a text or of a conversation.");
        app.MapPost("/detokenize", (HttpContext context, TokensEndpoint endpoint) => endpoint.DetokenizeAsync(context))
            .Accepts<DetokenizeRequest>("application/json").ProducesErrors().WithSummary("The text of tokens.");
        app.MapPost("/v1/responses", (HttpContext context, ResponsesEndpoint endpoint) => endpoint.HandleAsync(context))
            .Accepts<ResponsesRequest>("application/json").Produces<ResponsesBody>().ProducesErrors().WithSummary("Answers a conversation in the form of OpenAI's Responses.");
        app.MapPost("/v1/responses/input_tokens", (HttpContext context, ResponsesEndpoint endpoint) => endpoint.CountAsync(context))
            .Accepts<ResponsesRequest>("application/json").Produces<InputTokens>().ProducesErrors().WithSummary("How many tokens the prompt of a response has.");
        app.MapGet("/v1/responses/{id}", (HttpContext context, string id, ResponsesEndpoint endpoint) => endpoint.GetAsync(context, id)).Produces<ResponsesBody>().ProducesErrors().WithSummary("A response that is kept.");
        app.MapDelete("/v1/responses/{id}", (HttpContext context, string id, ResponsesEndpoint endpoint) => endpoint.Delete(context, id)).Produces<ResponsesDeleted>().ProducesErrors().WithSummary("Forgets a response.");
        app.MapPost("/v1/messages", (HttpContext context, MessagesEndpoint endpoint) => endpoint.HandleAsync(context))
            .Accepts<MessagesRequest>("application/json").Produces<MessagesBody>().WithSummary("Answers a conversation in the form of Anthropic's messages.");
        app.MapPost("/v1/messages/count_tokens", (HttpContext context, MessagesEndpoint endpoint) => endpoint.CountAsync(context))
            .Accepts<MessagesRequest>("application/json").Produces<MessagesCount>().WithSummary("How many tokens the prompt of a message has.");
        app.MapPost("/v1/decisions", (HttpContext context, DecisionEndpoint endpoint) => endpoint.HandleAsync(context))
            .Accepts<DecisionRequest>("application/json").Produces<Decision>().ProducesErrors().WithSummary("How probable each of some answers is.");
        app.MapPost("/api/chat", (HttpContext context, OllamaEndpoint endpoint) => endpoint.ChatAsync(context))
            .Accepts<OllamaChatRequest>("application/json").Produces<OllamaBody>().WithSummary("Answers a conversation in Ollama's form.");
        app.MapPost("/api/generate", (HttpContext context, OllamaEndpoint endpoint) => endpoint.GenerateAsync(context))
            .Accepts<OllamaGenerateRequest>("application/json").Produces<OllamaBody>().WithSummary("Answers a question in Ollama's form.");
        app.MapGet("/api/tags", (OllamaEndpoint endpoint) => endpoint.Tags()).WithSummary("Lists the models in Ollama's form.");
        app.MapPost("/api/show", (HttpContext context, OllamaEndpoint endpoint) => endpoint.ShowAsync(context)).Accepts<OllamaShowRequest>("application/json").WithSummary("Describes a model in Ollama's form.");
        app.MapGet("/api/version", () => new OllamaVersion(ServiceVersion.Text)).WithSummary("The version of the service, in Ollama's form.");
        app.MapPost("/v1/chat/completions/input_tokens", (HttpContext context, LlamaServerEndpoint endpoint) => endpoint.CountAsync(context))
            .Accepts<ChatCompletionRequest>("application/json").Produces<InputTokens>().ProducesErrors().WithSummary("How many tokens the prompt of a conversation has.");
        app.MapPost("/apply-template", (HttpContext context, LlamaServerEndpoint endpoint) => endpoint.ApplyTemplateAsync(context))
            .Accepts<ChatCompletionRequest>("application/json").Produces<AppliedTemplate>().ProducesErrors().WithSummary("The prompt of a conversation as text.");
        app.MapGet("/props", (string? model, LlamaServerEndpoint endpoint) => endpoint.Properties(model)).ProducesErrors().WithSummary("What a model is, as llama.cpp's server tells it.");
        app.MapGet("/slots", (string? model, LlamaServerEndpoint endpoint) => endpoint.Slots(model)).ProducesErrors().WithSummary("The places for answers, as llama.cpp's server tells them.");
        app.MapGet("/metrics", (PrometheusExporter exporter) => Results.Text(exporter.Write(), "text/plain; version=0.0.4")).WithSummary("Metrics in Prometheus' text format.");
        app.MapGet("/v1/models", (ModelsEndpoint endpoint) => endpoint.List()).ProducesErrors().WithSummary("Lists the models.");
        app.MapGet("/v1/models/{name}", (string name, ModelsEndpoint endpoint) => endpoint.Get(name)).ProducesErrors().WithSummary("Describes a model.");
        app.MapPost("/v1/uploads", (HttpContext context, UploadsEndpoint endpoint) => endpoint.AddAsync(context))
            .Accepts<byte[]>("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp").Produces<UploadedImage>().ProducesErrors().WithSummary("Takes an image that requests then name by its hash.");
        app.MapGet("/v1/downloads", (HttpContext context, DownloadsEndpoint endpoint) => endpoint.Status(context)).ProducesErrors().WithSummary("Whether models can be downloaded, and how far the last download is.");
        app.MapPost("/v1/downloads/plan", (HttpContext context, DownloadsEndpoint endpoint) => endpoint.PlanAsync(context))
            .Accepts<PlanRequest>("application/json").Produces<DownloadPlan>().ProducesErrors().WithSummary("What downloading a model takes.");
        app.MapPost("/v1/downloads", (HttpContext context, DownloadsEndpoint endpoint) => endpoint.StartAsync(context))
            .Accepts<DownloadRequest>("application/json").Produces<DownloadStatus>().ProducesErrors().WithSummary("Downloads a model as planned.");
        app.MapDelete("/v1/downloads", (HttpContext context, DownloadsEndpoint endpoint) => endpoint.Cancel(context)).Produces<DownloadStatus>().ProducesErrors().WithSummary("Breaks off a download.");
        app.MapGet("/v1/uploads", (UploadsEndpoint endpoint) => endpoint.Limits()).ProducesErrors().WithSummary("What the images of a request must keep to.");
        app.MapGet("/health", Health).Anonymous().WithSummary("Whether requests are answered: 200, or 503 while the service stops.");
        app.MapGet("/health/ready", Health).Anonymous().WithSummary("As /health.");
        app.MapGet("/health/live", () => new HealthStatus("ok")).Anonymous().WithSummary("Whether the process runs.");
        app.MapOpenApi("/openapi/{documentName}.json");
        EmbeddedPage.Map(app);

        static IResult Health(ServiceState state) => Results.Json(state.Status, WireJson.Relaxed.HealthStatus, statusCode: state.IsReady ? 200 : 503);
    }

    private static RouteHandlerBuilder Anonymous(this RouteHandlerBuilder endpoint) => endpoint.WithMetadata(new AllowAnonymousAttribute()).Produces<HealthStatus>().Produces<HealthStatus>(503);

    private static RouteHandlerBuilder ProducesErrors(this RouteHandlerBuilder endpoint)
    {
        foreach (int status in new[] { 400, 401, 404, 413, 429, 500, 503 })
            endpoint.Produces<ErrorBody>(status);
        return endpoint;
    }
}
