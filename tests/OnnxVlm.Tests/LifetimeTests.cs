namespace OnnxVlm.Tests;

internal sealed class LifetimeTests
{
    [Test]
    public void Dispose_NobodyUsesIt_ReleasesAtOnce()
    {
        int released = 0;
        Lifetime lifetime = new(() => released++);

        lifetime.Use(this).Dispose();
        lifetime.Dispose();
        lifetime.Dispose();

        Assert.That(released, Is.EqualTo(1));
        Assert.That(() => lifetime.Use(this), Throws.TypeOf<ObjectDisposedException>());
    }

    [Test]
    public void Dispose_SomebodyUsesIt_TellsHimAndReleasesWhenHeIsOut()
    {
        int released = 0;
        Lifetime lifetime = new(() => released++);
        IDisposable use = lifetime.Use(this);
        CancellationToken ending = lifetime.Ending;

        lifetime.Dispose();

        Assert.That(ending.IsCancellationRequested, Is.True);
        Assert.That(released, Is.Zero);
        use.Dispose();
        use.Dispose();
        Assert.That(released, Is.EqualTo(1));
    }
}
