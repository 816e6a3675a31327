using Microsoft.Extensions.Options;

namespace OnnxVlm.Chat;

/// <summary>Checks the attributes of <see cref="OnnxVlmOptions"/>; the code is generated.</summary>
[OptionsValidator]
internal sealed partial class OnnxVlmOptionsValidator : IValidateOptions<OnnxVlmOptions>;
