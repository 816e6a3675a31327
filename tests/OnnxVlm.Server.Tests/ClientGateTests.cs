using OnnxVlm.Server.Admission;

namespace OnnxVlm.Server.Tests;

/// <summary>What clients share.</summary>
internal sealed class ClientGateTests
{
    private readonly ClientGate _gate = new(capacity: 100, share: 50, maxWaiting: 3);

    [Test]
    public async Task Enter_OverItsShare_WaitsAndHoldsUpNobodyElse()
    {
        using ClientGate.Pass first = await EnterAsync("greedy", 40);
        Task<ClientGate.Pass> second = EnterAsync("greedy", 40);
        using ClientGate.Pass other = await EnterAsync("modest", 40);
        Assert.That((second.IsCompleted, _gate.Held, _gate.Waiting), Is.EqualTo((false, 80, 1)));

        first.Dispose();
        first.Dispose();
        (await second).Dispose();
        Assert.That(_gate.Held, Is.EqualTo(40));
    }

    [Test]
    public async Task Enter_MoreThanTheShareAlone_IsAdmitted()
    {
        using ClientGate.Pass pass = await EnterAsync("a", 1000);
        Assert.That(_gate.Held, Is.EqualTo(100));
    }

    [Test]
    public async Task Enter_NoRoom_WaitsInOrder()
    {
        ClientGate.Pass first = await EnterAsync("a", 80);
        Task<ClientGate.Pass> large = EnterAsync("b", 50), small = EnterAsync("c", 10);
        Assert.That((large.IsCompleted, small.IsCompleted), Is.EqualTo((false, false)), "10 would fit, but came after");

        first.Dispose();
        (await large).Dispose();
        (await small).Dispose();
        Assert.That((_gate.Held, _gate.Waiting), Is.EqualTo((0, 0)));
    }

    [Test]
    public async Task Enter_TooManyOfOneClient_AreRefused()
    {
        using ClientGate.Pass first = await EnterAsync("a", 100);
        using CancellationTokenSource leaves = new();
        Task<ClientGate.Pass>[] waiting = [.. Enumerable.Range(0, 3).Select(_ => _gate.EnterAsync("a", 1, Timeout.InfiniteTimeSpan, leaves.Token))];

        Assert.That(async () => await EnterAsync("a", 1), Throws.InstanceOf<ApiException>().With.Property("Status").EqualTo(429));
        await leaves.CancelAsync();
        foreach (Task<ClientGate.Pass> pass in waiting)
            Assert.That(async () => await pass, Throws.InstanceOf<OperationCanceledException>());
        Assert.That(_gate.Waiting, Is.Zero);
    }

    [Test]
    public async Task Enter_NotInTime_IsRefused()
    {
        using ClientGate.Pass first = await EnterAsync("a", 100);
        Assert.That(async () => await _gate.EnterAsync("b", 1, TimeSpan.FromMilliseconds(20), CancellationToken.None), Throws.InstanceOf<ApiException>().With.Property("Status").EqualTo(429));
        Assert.That(_gate.Waiting, Is.Zero);
    }

    [Test]
    public async Task TryGrow_WithinTheShare_TakesMoreOrSaysNo()
    {
        using (ClientGate.Pass pass = await EnterAsync("a", 10), other = await EnterAsync("a", 10))
        {
            Assert.That((pass.TryGrow(30), pass.TryGrow(1), _gate.Held), Is.EqualTo((true, false, 50)));
        }
        using (ClientGate.Pass alone = await EnterAsync("a", 10))
            Assert.That((alone.TryGrow(90), alone.TryGrow(1), _gate.Held), Is.EqualTo((true, false, 100)), "one that holds nothing else may be as large as all there is");
        Assert.That(_gate.Held, Is.Zero);
    }

    private Task<ClientGate.Pass> EnterAsync(string client, long amount) => _gate.EnterAsync(client, amount, Timeout.InfiniteTimeSpan, CancellationToken.None);
}
