using System.Net.Sockets;
using System.Text;

namespace OnnxVlm.Server.Tests.Support;

/// <summary>A client that writes HTTP by hand, so that it can do what no proper client does.</summary>
internal sealed class RawClient : IDisposable
{
    private readonly Socket _socket;

    private RawClient(Socket socket) => _socket = socket;

    /// <summary>Connects; the kernel keeps little of what is not read.</summary>
    public static async Task<RawClient> ConnectAsync(TestService service)
    {
        Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096, NoDelay = true };
        await socket.ConnectAsync(service.Address.Host, service.Address.Port);
        return new RawClient(socket);
    }

    /// <summary>Sends the head of a POST.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="headers">More lines.</param>
    public Task PostAsync(string path, params string[] headers) =>
        SendAsync($"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n{string.Concat(headers.Select(header => header + "\r\n"))}\r\n");

    public async Task SendAsync(string text)
    {
        for (ReadOnlyMemory<byte> bytes = Encoding.UTF8.GetBytes(text); bytes.Length > 0;)
            bytes = bytes[await _socket.SendAsync(bytes)..];
    }

    /// <summary>Reads until the service hangs up, or until the head of the answer and as much of its body as came with it are there.</summary>
    public async Task<string> ReadAsync(CancellationToken cancellationToken)
    {
        StringBuilder text = new();
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (!text.ToString().Contains("\r\n\r\n", StringComparison.Ordinal) && await _socket.ReceiveAsync(buffer.AsMemory(), cancellationToken) is > 0 and int count)
                text.Append(Encoding.UTF8.GetString(buffer, 0, count));
        }
        catch (SocketException)
        {
            // Hung up.
        }
        return text.ToString();
    }

    /// <summary>Waits until the service has hung up, reading what it still has to say.</summary>
    public async Task UntilClosedAsync(CancellationToken cancellationToken)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            while (await _socket.ReceiveAsync(buffer.AsMemory(), cancellationToken) > 0)
            {
            }
        }
        catch (SocketException)
        {
            // Hung up hard.
        }
    }

    public void Dispose() => _socket.Dispose();
}
