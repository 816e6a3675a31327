using OnnxVlm.Chat;
using OnnxVlm.Server.Hosting;
using OnnxVlm.Server.Models;
using OnnxVlm.Tests.Fakes;

namespace OnnxVlm.Server.Tests.Support;

/// <summary>Loads one scripted model under every name.</summary>
/// <param name="model">The model.</param>
internal sealed class ScriptedLoader(ScriptedChatModel model) : IModelLoader
{
    /// <summary>A model that gives these answers, one after the other.</summary>
    /// <param name="answers">Each answer as its pieces.</param>
    public ScriptedLoader(params string[][] answers)
        : this(new ScriptedChatModel(answers))
    {
    }

    public ScriptedChatModel Model { get; } = model;

    public LoadedModel Load(ModelOptions options) => new(new VlmChatClient(Model), new NoOwner());

    private sealed class NoOwner : IDisposable
    {
        public void Dispose()
        {
        }
    }
}
