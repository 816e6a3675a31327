using System.Text.Json;
using OnnxVlm.ModelFolder;
using OnnxVlm.Prompting;

namespace OnnxVlm.Export.Trials;

/// <summary>
/// Tests whether an export can make prompts: tokenizer, chat template and image rule together make one prompt of an image, and one of tools.
/// </summary>
internal static class PromptTrial
{
    // A black square of 64 pixels.
    internal const string Picture = "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAG0lEQVR4nO3BgQAAAADDoPlT3+AEVQEAAAB8AxBAAAFGOA0dAAAAAElFTkSuQmCC";

    private static readonly JsonElement Question = JsonElement.Parse($$$"""
        [{"role": "user", "content": [
         {"type": "image_url", "image_url": {"url": "data:image/png;base64,{{{Picture}}}"}}, {"type": "text", "text": "What is this?"}]}]
        """);

    private static readonly JsonElement Calling = JsonElement.Parse("""
        [{"role": "user", "content": "How late is it?"},
         {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "id": "a", "function": {"name": "now", "arguments": {"zone": "UTC"}}}]},
         {"role": "tool", "tool_call_id": "a", "name": "now", "content": "12:00"}]
        """);

    private static readonly JsonElement Tools = JsonElement.Parse("""
        [{"type": "function", "function": {"name": "now", "description": "Tells the time.",
         "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}, "required": ["zone"]}}}]
        """);

    /// <summary>Tries a model folder that has a tokenizer.</summary>
    /// <param name="folder">The folder, with its manifest.</param>
    /// <param name="checkpoint">What the error names.</param>
    /// <exception cref="ModelLoadException">No prompt can be made; the message says why and what to do.</exception>
    public static void Run(string folder, string checkpoint)
    {
        try
        {
            if (ChatTemplate.TryLoad(folder) is not { } template)
                return;
            TokenCounter prompts = TokenCounter.Load(folder);
            // Some models accept only few image sizes; the image's place in the prompt is tested all the same.
            prompts.Render(Question, refusedImages: []);
            if (template.UsesTools)
                prompts.Render(Calling, Tools);
        }
        catch (Exception e) when (e is ChatTemplateException or ArgumentException or InvalidImageException)
        {
            throw new ModelLoadException(
                $"{checkpoint}: the chat template cannot make a prompt: {e.Message.TrimEnd('.')}; " +
                "put one that can into chat_template.jinja beside the checkpoint", e);
        }
    }
}
