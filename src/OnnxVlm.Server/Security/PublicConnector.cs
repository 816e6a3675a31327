using System.Net;
using System.Net.Sockets;

namespace OnnxVlm.Server.Security;

/// <summary>
/// Connects to public addresses only. A name is resolved once, all its addresses are checked, and the connection goes to one of exactly these
/// addresses, so the name cannot change its meaning between the check and the connection.
/// </summary>
/// <param name="resolve">Returns the addresses of a name.</param>
/// <param name="connect">Connects to an address.</param>
internal sealed class PublicConnector(
    Func<string, CancellationToken, Task<IPAddress[]>> resolve, Func<IPEndPoint, CancellationToken, ValueTask<Stream>> connect)
{
    // RFC 6890 and its successors: this host, private, shared, loopback, link-local, protocol assignments, documentation, 6to4 relays, benchmarks,
    // multicast, reserved; and of IPv6 all that is not global unicast, and global unicast that holds an IPv4 address or is for documentation.
    private static readonly IPNetwork[] NotPublic =
    [
        .. new[]
        {
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
            "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
        }.Select(IPNetwork.Parse),
    ];

    /// <summary>The connector for the real network.</summary>
    public static PublicConnector Real { get; } = new(Dns.GetHostAddressesAsync, ConnectSocketAsync);

    /// <summary>Connects to a host.</summary>
    /// <param name="endPoint">Its name or address, and the port.</param>
    /// <param name="cancellationToken">Ends the attempt.</param>
    /// <exception cref="HttpRequestException">The host has no address, or one that is not public.</exception>
    public async ValueTask<Stream> ConnectAsync(DnsEndPoint endPoint, CancellationToken cancellationToken)
    {
        IPAddress[] addresses = await resolve(endPoint.Host, cancellationToken).ConfigureAwait(false);
        return addresses.Length > 0 && Array.TrueForAll(addresses, IsPublic)
            ? await connect(new IPEndPoint(addresses[0], endPoint.Port), cancellationToken).ConfigureAwait(false)
            : throw new HttpRequestException($"{endPoint.Host} has an address that is not public.");
    }

    /// <summary>Whether an address belongs to the public internet. An address that is embedded in another one (IPv4 in IPv6) never does.</summary>
    /// <param name="address">The address.</param>
    public static bool IsPublic(IPAddress address) =>
        (address.AddressFamily == AddressFamily.InterNetwork || IsGlobalUnicast(address)) && !Array.Exists(NotPublic, network => network.Contains(address));

    // 2000::/3, by its bits: IPNetwork treats an IPv4 address that is written as IPv6 as both.
    private static bool IsGlobalUnicast(IPAddress address) =>
        address.AddressFamily == AddressFamily.InterNetworkV6 && (address.GetAddressBytes()[0] & 0xE0) == 0x20;

    private static async ValueTask<Stream> ConnectSocketAsync(IPEndPoint endPoint, CancellationToken cancellationToken)
    {
        Socket socket = new(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(endPoint, cancellationToken).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
