using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>
/// Names of what <see cref="ChatOptions"/>, <see cref="ChatResponse"/> and <see cref="UsageDetails"/> have no fields for. Options are spelled as in
/// OpenAI-compatible services. A value may be of any type that has the same form in JSON, including a <see cref="System.Text.Json.JsonElement"/>;
/// null counts as absent. An option under any other name is refused.
/// </summary>
public static class ChatProperties
{
    /// <summary>Option, number: <see cref="GenerationOptions.MinP"/>.</summary>
    public const string MinP = "min_p";

    /// <summary>Option, number: <see cref="GenerationOptions.RepetitionPenalty"/>.</summary>
    public const string RepetitionPenalty = "repetition_penalty";

    /// <summary>Option, object of token id to number: <see cref="GenerationOptions.LogitBias"/>.</summary>
    public const string LogitBias = "logit_bias";

    /// <summary>
    /// Option, boolean: whether log probabilities are reported. In an update, an array with the <see cref="TokenLogprobs"/> of its token; in a
    /// response, an array with those of all tokens.
    /// </summary>
    public const string Logprobs = "logprobs";

    /// <summary>Option, integer: <see cref="GenerationOptions.TopLogprobs"/>. Also turns <see cref="Logprobs"/> on.</summary>
    public const string TopLogprobs = "top_logprobs";

    /// <summary>Option, integer: <see cref="GenerationOptions.MinNewTokens"/>.</summary>
    public const string MinTokens = "min_tokens";

    /// <summary>Option, array of integers: <see cref="GenerationOptions.StopTokenIds"/>.</summary>
    public const string StopTokenIds = "stop_token_ids";

    /// <summary>Option, text: <see cref="GenerationOptions.CacheScope"/>.</summary>
    public const string CacheScope = "cache_scope";

    /// <summary>Option, <c>Action&lt;PrefillProgress&gt;</c>: <see cref="GenerationOptions.OnPrefill"/>.</summary>
    public const string OnPrefill = "on_prefill";

    /// <summary>Option, text: <see cref="Guidance.Regex"/>.</summary>
    public const string Regex = "regex";

    /// <summary>Option, text: <see cref="Guidance.Lark"/>.</summary>
    public const string LarkGrammar = "lark_grammar";

    /// <summary>Option, array of texts: <see cref="Guidance.Choice"/>.</summary>
    public const string Choice = "choice";

    /// <summary>
    /// Option, boolean: the model continues the last message, which is the assistant's, instead of beginning a new one. Default false. Excludes
    /// <see cref="PlainPrompt"/>.
    /// </summary>
    public const string ContinueFinalMessage = "continue_final_message";

    /// <summary>
    /// Option, object: more variables for the model's chat template. Their text is untrusted and cannot become a special token. Messages, tools and
    /// special tokens cannot be replaced in this way.
    /// </summary>
    public const string ChatTemplateKwargs = "chat_template_kwargs";

    /// <summary>
    /// Option, boolean: the model continues the contents of the messages, concatenated without the chat template and whatever their roles.
    /// Default false. Excludes tools.
    /// </summary>
    public const string PlainPrompt = "plain_prompt";

    /// <summary>
    /// In an update, an array of <see cref="ToolCallDelta"/>: what it adds to function calls. The call itself follows as content when it is complete;
    /// a call that the end of the answer truncates has only these.
    /// </summary>
    public const string ToolCallDeltas = "tool_call_deltas";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>: tokens of the prompt that belong to images.</summary>
    public const string ImageTokens = "image_tokens";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>, where there are any: <see cref="Generation.GenerationStatistics.TransparentImages"/>.</summary>
    public const string TransparentImages = "transparent_images";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>, where there are any: <see cref="Generation.GenerationStatistics.ShrunkImages"/>.</summary>
    public const string ShrunkImages = "shrunk_images";
}
