using Microsoft.AspNetCore.Http;
using OnnxVlm.Server.Endpoints;

namespace OnnxVlm.Server.Tests;

/// <summary>The stream of events, without a service around it.</summary>
internal sealed class EventStreamTests
{
    // What is waited for comes at the very moment at which the silence has lasted too long; each order of the two must give it.
    [Test]
    [Repeat(20)]
    public async Task Wait_WhatComesWithTheKeepAlive_IsGiven()
    {
        TimeSpan keepAlive = TimeSpan.FromMilliseconds(20);

        int[] given = await Task.WhenAll(Enumerable.Range(0, 2000).Select(number =>
        {
            TaskCompletionSource<int> next = new();
            Task<int> waiting = new EventStream(new DefaultHttpContext().Response, keepAlive, TimeSpan.FromSeconds(20), CancellationToken.None).WaitAsync(next.Task);
            _ = Task.Delay(keepAlive).ContinueWith(_ => next.SetResult(number), TaskScheduler.Default);
            return waiting;
        }));

        Assert.That(given, Is.EqualTo(Enumerable.Range(0, 2000)));
    }
}
