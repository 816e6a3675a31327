using System.Net.Sockets;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace OnnxVlm.Server.Hosting;

/// <summary>
/// Listens for a moment before the models are loaded, in the same way as the service will later. An address, a certificate or a port that cannot be
/// used is therefore reported at once, in one line.
/// </summary>
/// <param name="configuration">Addresses and certificates.</param>
internal sealed class ListenCheck(IConfiguration configuration) : IHostedService
{
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        IReadOnlyList<string> addresses = ListenAddresses.Read(configuration);
        WebApplicationBuilder builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions());
        builder.WebHost.UseKestrel(kestrel => kestrel.Configure(configuration.GetSection("Kestrel"))).UseUrls([.. addresses]);
        await using WebApplication trial = builder.Build();
        try
        {
            await trial.StartAsync(cancellationToken).ConfigureAwait(false);
            await trial.StopAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            throw Explain(e, addresses);
        }
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private static Exception Explain(Exception exception, IReadOnlyList<string> addresses)
    {
        string all = string.Join(", ", addresses);
        return exception switch
        {
            IOException { InnerException: AddressInUseException } => new IOException(
                $"{AddressOf(exception.Message, addresses)} is in use by another program; stop that, or listen on another port (--urls).", exception),
            SocketException or IOException { InnerException: SocketException } =>
                new IOException(
                    $"{AddressOf(exception.Message, addresses)} cannot be listened on: {(exception as SocketException ?? exception.InnerException!).Message}; "
                    + "give an address of this machine and a port that you may use (--urls).",
                    exception),
            InvalidOperationException when exception.Message.Contains("certificate", StringComparison.OrdinalIgnoreCase) => new InvalidOperationException(
                $"{addresses.FirstOrDefault(address => address.StartsWith("https:", StringComparison.OrdinalIgnoreCase), all)} needs a certificate "
                + "and has none; give one (Kestrel__Certificates__Default__Path, with __Password or __KeyPath, in the environment), "
                + "or listen on http:// behind a proxy.",
                exception),
            CryptographicException or FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException =>
                new InvalidOperationException(
                    $"The certificate for {all} cannot be read: {FirstLine(exception)} "
                    + "Look at Kestrel__Certificates__Default__Path, __Password and __KeyPath.",
                    exception),
            _ => new InvalidOperationException(
                $"{all} is no address to listen on: {FirstLine(exception)} Expected for example http://127.0.0.1:8080 (--urls).", exception),
        };
    }

    // Kestrel's message says which of several addresses it was.
    private static string AddressOf(string message, IReadOnlyList<string> addresses) =>
        addresses.FirstOrDefault(address => message.Contains(address.TrimEnd('/'), StringComparison.OrdinalIgnoreCase), string.Join(", ", addresses));

    private static string FirstLine(Exception exception) =>
        ArgumentMessage.WithoutParameter(exception.Message.Split('\n')[0].Trim()).TrimEnd('.') + ".";
}
