using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Models;

/// <summary>
/// Loads model folders. Each chat client reports traces and metrics under OpenTelemetry's GenAI names. It gets no logger: it would log exceptions,
/// and the message of a refused schema quotes the schema.
/// </summary>
/// <param name="server">Limits on images, and on memory.</param>
internal sealed class VlmModelLoader(ServerOptions server) : IModelLoader
{
    public LoadedModel Load(ModelOptions options)
    {
        VlmModel model = VlmModel.Load(options.Folder, new VlmOptions
        {
            Device = options.Device,
            Runner = options.Runner,
            Threads = options.Threads,
            CacheBytes = options.CacheBytesOf(server),
            VerifyHashes = options.VerifyHashes,
            ImageLimits = server.Images,
            BlendAlpha = options.BlendAlpha,
        });
        return new LoadedModel(new ChatClientBuilder(new VlmChatClient(model)).UseOpenTelemetry().Build(), model);
    }
}
