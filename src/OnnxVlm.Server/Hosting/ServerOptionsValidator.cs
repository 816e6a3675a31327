using Microsoft.Extensions.Options;

namespace OnnxVlm.Server.Hosting;

/// <summary>Checks the attributes of <see cref="ServerOptions"/>; the code is generated.</summary>
[OptionsValidator]
internal sealed partial class ServerOptionsValidator : IValidateOptions<ServerOptions>;
