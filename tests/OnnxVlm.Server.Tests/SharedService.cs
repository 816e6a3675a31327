using Microsoft.Extensions.AI;
using OnnxVlm.Server.Models;
using OnnxVlm.Server.Tests.Support;

namespace OnnxVlm.Server.Tests;

/// <summary>One service with the shipped model for all tests that need no options of their own.</summary>
[SetUpFixture]
internal sealed class SharedService
{
    private static TestService? _service;

    public static TestService Service => _service!;

    /// <summary>The model that answers, for comparison.</summary>
    public static VlmModel Model { get; private set; } = null!;

    [OneTimeSetUp]
    public async Task StartAsync()
    {
        _service = await TestService.StartAsync(null);
        ModelPool pool = _service.Get<ModelPool>();
        using ModelLease lease = await pool.RentAsync(pool.Find("nano"), CancellationToken.None);
        Model = lease.Client.GetService<VlmModel>()!;
    }

    [OneTimeTearDown]
    public async Task StopAsync() => await Service.DisposeAsync();
}
