using Microsoft.Extensions.AI;
using OnnxVlm.Generation;

namespace OnnxVlm.Chat;

/// <summary>
/// Names of what <see cref="ChatOptions"/>, <see cref="ChatResponse"/> and <see cref="UsageDetails"/> have no fields for; the options are spelled as
/// OpenAI-compatible services spell them. A value may be of any type that has the same form in JSON, a <see cref="System.Text.Json.JsonElement"/> too;
/// null is as good as absent. An option under any other name is refused.
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
    /// Option, boolean: whether log probabilities are reported.
    /// In an update an array of one <see cref="TokenLogprobs"/>, that of its token; in a response an array of those of all tokens.
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

    /// <summary>Option, boolean: the model goes on with the last message, which is the assistant's, instead of beginning one. Default false. Not together with <see cref="PlainPrompt"/>.</summary>
    public const string ContinueFinalMessage = "continue_final_message";

    /// <summary>
    /// Option, object: more variables for the model's chat template. Text in them is from outside and can make no special token. Messages, tools and special tokens cannot be replaced so.
    /// </summary>
    public const string ChatTemplateKwargs = "chat_template_kwargs";

    /// <summary>
    /// Option, boolean: the model continues the contents of the messages as they are, one after the other, without the chat template around them and whatever their roles.
    /// Default false. Not together with tools.
    /// </summary>
    public const string PlainPrompt = "plain_prompt";

    /// <summary>
    /// In an update an array of <see cref="ToolCallDelta"/>: what it adds to function calls. The call itself comes as content when it is whole; one that the end of
    /// the answer cuts off has these only.
    /// </summary>
    public const string ToolCallDeltas = "tool_call_deltas";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>: tokens of the prompt that belong to images.</summary>
    public const string ImageTokens = "image_tokens";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>, where there are any: <see cref="Generation.GenerationStatistics.TransparentImages"/>.</summary>
    public const string TransparentImages = "transparent_images";

    /// <summary>In <see cref="UsageDetails.AdditionalCounts"/>, where there are any: <see cref="Generation.GenerationStatistics.ShrunkImages"/>.</summary>
    public const string ShrunkImages = "shrunk_images";
}
