using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OnnxVlm.Chat;
using OnnxVlm.Generation;
using OnnxVlm.Runtime;

namespace OnnxVlm.Tests.Chat;

internal sealed class DependencyInjectionTests
{
    [Test]
    public async Task AddOnnxVlm_Plain_LoadsOneModelWhenAsked()
    {
        ServiceProvider provider = new ServiceCollection().AddOnnxVlm(options => (options.ModelFolder, options.Device) = (Nano.Folder, Device.Cpu)).BuildServiceProvider();
        VlmModel model;
        await using (provider)
        {
            IChatClient[] clients = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(provider.GetRequiredService<IChatClient>)));
            model = provider.GetRequiredService<VlmModel>();

            Assert.That(clients.Distinct(), Has.One.Items);
            Assert.That(clients[0].GetService<VlmModel>(), Is.SameAs(model));
            Assert.That(provider.GetRequiredService<VlmChatClient>(), Is.SameAs(clients[0]));
            Assert.That(model.Device, Is.EqualTo(Device.Cpu));
            Assert.That((await clients[0].GetResponseAsync("hello", new ChatOptions { MaxOutputTokens = 2 })).Usage!.OutputTokenCount, Is.LessThanOrEqualTo(2));
        }
        Assert.That(() => model.CreatePrompt([new(ChatRole.User, "hello")]), Throws.InstanceOf<ObjectDisposedException>());
    }

    [Test]
    public async Task AddKeyedOnnxVlm_TwoKeys_AreTwoModels()
    {
        ServiceCollection services = new();
        services.AddKeyedOnnxVlm("a", options => (options.ModelFolder, options.Generation) = (Nano.Folder, new GenerationOptions { MaxNewTokens = 1 }));
        services.AddKeyedOnnxVlm("b", options => options.ModelFolder = Nano.Folder);
        await using ServiceProvider provider = services.BuildServiceProvider();

        IChatClient a = provider.GetRequiredKeyedService<IChatClient>("a"), b = provider.GetRequiredKeyedService<IChatClient>("b");

        Assert.That(a.GetService<VlmModel>(), Is.SameAs(provider.GetRequiredKeyedService<VlmModel>("a")).And.Not.SameAs(b.GetService<VlmModel>()));
        Assert.That(provider.GetService<IChatClient>(), Is.Null);
        Assert.That((await a.GetResponseAsync("hello")).Usage!.OutputTokenCount, Is.LessThanOrEqualTo(1));
    }

    [Test]
    public async Task AddChatClient_AfterAddOnnxVlm_PutsMiddlewareOnTop()
    {
        ServiceCollection services = new();
        services.AddOnnxVlm(options => options.ModelFolder = Nano.Folder);
        services.AddChatClient(provider => provider.GetRequiredService<VlmChatClient>()).UseFunctionInvocation();
        await using ServiceProvider provider = services.BuildServiceProvider();

        IChatClient client = provider.GetRequiredService<IChatClient>();

        Assert.That(client, Is.InstanceOf<FunctionInvokingChatClient>());
        Assert.That(client.GetService<VlmChatClient>(), Is.SameAs(provider.GetRequiredService<VlmChatClient>()));
    }

    [Test]
    public void Host_WithWrongOptions_DoesNotStart()
    {
        Refuses(_ => { }, "ModelFolder is not set");
        Refuses(options => options.ModelFolder = "no-such-folder", "onnxvlm.json");
        Refuses(options => (options.ModelFolder, options.Threads) = (Nano.Folder, 0), "Threads");
        Refuses(options => (options.ModelFolder, options.CacheBytes) = (Nano.Folder, -1), "CacheBytes");

        static void Refuses(Action<OnnxVlmOptions> configure, string why)
        {
            HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
            builder.Services.AddOnnxVlm(configure);
            using IHost host = builder.Build();
            Assert.That(() => host.StartAsync(), Throws.InstanceOf<OptionsValidationException>().With.Message.Contains(why));
        }
    }

    [Test]
    public async Task Host_WithConfiguration_BindsTheOptionsAndDoesNotLoadBeforeUse()
    {
        HostApplicationBuilder builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["OnnxVlm:ModelFolder"] = Nano.Folder,
            ["OnnxVlm:Device"] = "Cpu",
            ["OnnxVlm:Threads"] = "1",
            ["OnnxVlm:Generation:Temperature"] = "0.7",
        });
        builder.Services.AddOnnxVlm().Configure<OnnxVlmOptions>(builder.Configuration.GetSection("OnnxVlm"));
        using IHost host = builder.Build();

        await host.StartAsync();

        OnnxVlmOptions options = host.Services.GetRequiredService<IOptions<OnnxVlmOptions>>().Value;
        Assert.That((options.Device, options.Threads, options.Generation.Temperature), Is.EqualTo((Device.Cpu, 1, 0.7)));
        Assert.That(host.Services.GetRequiredService<IChatClient>().GetService<VlmModel>()!.Device, Is.EqualTo(Device.Cpu));
        await host.StopAsync();
    }
}
