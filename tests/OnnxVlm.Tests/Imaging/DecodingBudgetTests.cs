using OnnxVlm.Imaging;

namespace OnnxVlm.Tests.Imaging;

public sealed class DecodingBudgetTests
{
    private readonly DecodingBudget _budget = new(100);

    [Test]
    public void Enter_RoomForAll_DoesNotWait()
    {
        using IDisposable a = _budget.Enter(60, CancellationToken.None), b = _budget.Enter(40, CancellationToken.None);
        Assert.That(_budget.UsedBytes, Is.EqualTo(100));
    }

    [Test]
    public void Enter_LargerThanTheBudget_RunsAlone()
    {
        using (_budget.Enter(1000, CancellationToken.None))
            Assert.That(_budget.UsedBytes, Is.EqualTo(100));
        Assert.That(_budget.UsedBytes, Is.Zero);
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task Enter_SmallAfterALargeThatWaits_WaitsBehindIt(CancellationToken cancellationToken)
    {
        IDisposable first = _budget.Enter(60, cancellationToken);
        Task<IDisposable> large = Task.Run(() => _budget.Enter(100, cancellationToken), cancellationToken);
        await UntilWaitingAsync(1, cancellationToken);
        Task<IDisposable> small = Task.Run(() => _budget.Enter(10, cancellationToken), cancellationToken);
        await UntilWaitingAsync(2, cancellationToken);
        Assert.That((large.IsCompleted, small.IsCompleted), Is.EqualTo((false, false)), "10 would fit, but came after");

        first.Dispose();
        using (await large)
            Assert.That(small.IsCompleted, Is.False);
        (await small).Dispose();
        Assert.That(_budget.UsedBytes, Is.Zero);
    }

    [Test]
    [CancelAfter(30_000)]
    public async Task Enter_CancelledWhileItWaits_LeavesTheQueueToOthers(CancellationToken cancellationToken)
    {
        IDisposable first = _budget.Enter(60, cancellationToken);
        using CancellationTokenSource gone = new();
        Task<IDisposable> large = Task.Run(() => _budget.Enter(100, gone.Token), cancellationToken);
        await UntilWaitingAsync(1, cancellationToken);
        Task<IDisposable> small = Task.Run(() => _budget.Enter(40, cancellationToken), cancellationToken);
        await UntilWaitingAsync(2, cancellationToken);

        await gone.CancelAsync();
        Assert.That(async () => await large, Throws.InstanceOf<OperationCanceledException>());
        (await small).Dispose();
        first.Dispose();
        first.Dispose();
        Assert.That(_budget.UsedBytes, Is.Zero);
    }

    [Test]
    public void Enter_CancelledBefore_Throws() =>
        Assert.That(() => _budget.Enter(1, new CancellationToken(canceled: true)), Throws.InstanceOf<OperationCanceledException>());

    [Test]
    [CancelAfter(60_000)]
    public void Enter_ManyThreads_NeverOverTheBudget(CancellationToken cancellationToken)
    {
        long used = 0, most = 0;
        Parallel.For(0, 2000, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken }, i =>
        {
            int size = 1 + (i * 37 % 60);
            using IDisposable admission = _budget.Enter(size, cancellationToken);
            long now = Interlocked.Add(ref used, size);
            InterlockedMax(ref most, now);
            Interlocked.Add(ref used, -size);
        });
        Assert.That(most, Is.InRange(60, 100));
        Assert.That(_budget.UsedBytes, Is.Zero);
    }

    private static void InterlockedMax(ref long most, long value)
    {
        for (long seen = Volatile.Read(ref most); value > seen; seen = Volatile.Read(ref most))
            Interlocked.CompareExchange(ref most, value, seen);
    }

    private async Task UntilWaitingAsync(int count, CancellationToken cancellationToken)
    {
        while (_budget.Waiting < count)
            await Task.Delay(1, cancellationToken);
    }
}
