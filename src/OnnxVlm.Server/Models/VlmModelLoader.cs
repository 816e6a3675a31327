using Microsoft.Extensions.AI;
using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;

namespace OnnxVlm.Server.Models;

/// <summary>Loads model folders. Each chat client reports traces and metrics under OpenTelemetry's GenAI names, without anything that users wrote.</summary>
/// <param name="server">Limits on images.</param>
/// <param name="loggers">For the chat client.</param>
internal sealed class VlmModelLoader(ServerOptions server, ILoggerFactory loggers) : IModelLoader
{
    public LoadedModel Load(ModelOptions options)
    {
        VlmModel model = VlmModel.Load(options.Folder, new VlmOptions
        {
            Device = options.Device,
            Threads = options.Threads,
            CacheBytes = options.CacheBytes,
            VerifyHashes = options.VerifyHashes,
            ImageLimits = server.Images,
#if IMAGESHARP
            ImageDecoder = new ImageSharp.ImageSharpDecoder(),
#endif
        });
        return new LoadedModel(new ChatClientBuilder(new VlmChatClient(model)).UseOpenTelemetry(loggers).Build(), model);
    }
}
