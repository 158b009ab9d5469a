using Microsoft.Extensions.AI;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Peft.Models;

namespace Peft.Hosting.Tests;

/// <summary>A host without a web server.</summary>
public sealed class HostTests : IDisposable
{
    private readonly Story story = new();

    public void Dispose() => story.Dispose();

    private IHost Host(params string[] more) => Build(story.Settings(more));

    private static IHost Build(string[] settings)
    {
        var builder = Builder(settings);
        builder.Services.AddPeft();
        return builder.Build();
    }

    // With these settings alone: the server's appsettings.json lies beside the tests.
    private static HostApplicationBuilder Builder(string[] settings)
    {
        var builder = Microsoft.Extensions.Hosting.Host.CreateApplicationBuilder();
        builder.Configuration.Sources.Clear();
        builder.Configuration.AddCommandLine(settings);
        builder.Logging.ClearProviders();
        return builder;
    }

    [Fact]
    public async Task Clients_are_resolved_by_the_names_of_adapters_also_of_those_loaded_later()
    {
        using var host = Host("--Peft:DefaultAdapter=a6");
        await host.StartAsync();
        var options = new ChatOptions { MaxOutputTokens = 12, Temperature = 0 };
        (await Answer(host.Services.GetRequiredService<IChatClient>())).ShouldBe(story.Answer("Hi", "a6", 12));
        (await Answer(host.Services.GetRequiredKeyedService<IChatClient>("a2"))).ShouldBe(story.Answer("Hi", "a2", 12));
        (await Answer(host.Services.GetRequiredKeyedService<IChatClient>("stories260K"))).ShouldBe(story.Answer("Hi", null, 12));
        Should.Throw<AdapterNotFoundException>(() => host.Services.GetRequiredKeyedService<IChatClient>("later")).Message.ShouldContain("Name one of: stories260K, a0");
        var adapters = host.Services.GetRequiredService<AdapterManager>();
        adapters.Load("later", "a3-new");
        adapters.Names.ShouldContain("later");
        (await Answer(host.Services.GetRequiredKeyedService<IChatClient>("later"))).ShouldBe(story.Answer("Hi", "a3-new", 12));
        (await host.Services.GetRequiredKeyedService<IEmbeddingGenerator<string, Embedding<float>>>("later").GenerateVectorAsync("Hi")).ToArray().ShouldBe(story.Embedding("Hi", "a3-new"), 1e-4);
        Should.Throw<AdapterRefusedException>(() => adapters.Unload("a6")).Message.ShouldContain("DefaultAdapter");
        await host.StopAsync();

        async Task<string> Answer(IChatClient client) => (await client.GetResponseAsync("Hi", options)).Text;
    }

    [Fact]
    public async Task A_model_is_loaded_quantized_by_name_and_with_limits_from_the_configuration()
    {
        using var host = Host("--Peft:Load:Quantization=llm_int8", "--Peft:Batching:MaxBatchSize=3", "--Peft:Generation:MaxNewTokens=7", "--Peft:Generation:Temperature=0.5", "--Peft:Device=cpu");
        await host.StartAsync();
        var served = host.Services.GetRequiredService<ServedModel>();
        (served.Batcher.Options.MaxBatchSize, served.Generation.MaxNewTokens, served.Generation.Temperature).ShouldBe((3, 7, 0.5));
        var options = host.Services.GetRequiredService<IOptions<PeftOptions>>().Value;
        options.Load.Quantization.ShouldBeOfType<Quantization.Int8Options>();
        served.Model.parameters().Sum(each => each.numel()).ShouldBeLessThan(CausalLM.FromPretrained(Story.Model).parameters().Sum(each => each.numel()));
        (await host.Services.GetRequiredService<IChatClient>().GetResponseAsync("Hi")).Usage!.OutputTokenCount.ShouldBe(7);
    }

    [Fact]
    public async Task Adapters_come_from_the_allowed_folders_only()
    {
        using var host = Host();
        await host.StartAsync();
        var adapters = host.Services.GetRequiredService<AdapterManager>();
        Directory.CreateSymbolicLink(Path.Combine(story.Adapters, "link"), Story.Model);
        Directory.CreateDirectory(story.Adapters + "-beside");
        foreach (var folder in new[] { "", ".", "..", "../adapters-beside", story.Adapters, story.Adapters + "-beside", Story.Model, "link", "link/..", "missing", "a0/../../chat.jinja", "a\0" })
            Should.Throw<AdapterRefusedException>(() => adapters.Load("x", folder), folder).Message.ShouldContain("folder");
        adapters.Load("x", "a0/../a1");
        (await host.Services.GetRequiredKeyedService<IChatClient>("x").GetResponseAsync("Hi", new() { MaxOutputTokens = 9, Temperature = 0 })).Text.ShouldBe(story.Answer("Hi", "a1", 9));
        Should.Throw<AdapterRefusedException>(() => adapters.Load("stories260K", "a1")).Message.ShouldContain("base model");
        Should.Throw<AdapterNameException>(() => adapters.Load("../x", "a1"));
        Should.Throw<AdapterNotFoundException>(() => adapters.Swap("y", "a1"));
        using var closed = Host($"--Peft:MaxAdapters={Story.Names.Count}");
        await closed.StartAsync();
        Should.Throw<AdapterRefusedException>(() => closed.Services.GetRequiredService<AdapterManager>().Load("x", "a1")).Message.ShouldContain("MaxAdapters");
    }

    [Fact]
    public async Task Invalid_options_stop_the_start_with_all_fields_and_remedies()
    {
        using var host = Build(["--Peft:Model=missing", "--Peft:Adapters:a=nowhere", "--Peft:Adapters:__base__=.", "--Peft:DefaultAdapter=b", "--Peft:AdapterFolders:0=none", "--Peft:Device=abacus", "--Peft:Threads=0", "--Peft:Batching:MaxTokens=0", "--Peft:ChatTemplateFile=none.jinja"]);
        var errors = (await Should.ThrowAsync<OptionsValidationException>(() => host.StartAsync())).Failures.ToList();
        string[] expected =
        [
            "Peft:Model: there is no folder", "Peft:ChatTemplateFile: none.jinja", "Peft:Device is 'abacus'", "Peft:Adapters:a: there is no folder 'nowhere'", "Peft:Adapters:__base__", "Peft:DefaultAdapter is 'b'", "Peft:AdapterFolders: there is no folder 'none'",
            "Peft:Threads is 0: set at least 1", "Peft:Batching:MaxTokens is 0: set at least 1",
        ];
        foreach (var each in expected) errors.ShouldContain(error => error.StartsWith(each, StringComparison.Ordinal), each);
        errors.Count.ShouldBe(expected.Length);
    }

    [Fact]
    public async Task A_model_without_a_chat_template_stops_the_start()
    {
        using var host = Build([$"--Peft:Model={Story.Model}"]);
        (await Should.ThrowAsync<OptionsValidationException>(() => host.StartAsync())).Message.ShouldContain("Peft:ChatTemplateFile is not set, and the model's folder has no chat template");
        using var none = Build([]);
        (await Should.ThrowAsync<OptionsValidationException>(() => none.StartAsync())).Message.ShouldContain("Peft:Model is not set");
    }

    [Fact]
    public async Task An_adapter_that_does_not_fit_stops_the_start()
    {
        var config = Path.Combine(story.Adapters, "a0", "adapter_config.json");
        await File.WriteAllTextAsync(config, (await File.ReadAllTextAsync(config)).Replace("\"r\": ", "\"r\": 1", StringComparison.Ordinal));
        using var host = Host();
        (await Should.ThrowAsync<AdapterMismatchException>(() => host.StartAsync())).Message.ShouldContain("a0");
    }

    [Fact]
    public async Task Code_changes_what_the_configuration_says_and_a_second_call_registers_nothing_twice()
    {
        var builder = Builder(story.Settings());
        builder.Services.AddPeft(options => options.Generation = options.Generation with { MaxNewTokens = 5 }).AddPeft();
        using var host = builder.Build();
        await host.StartAsync();
        host.Services.GetRequiredService<ServedModel>().Generation.MaxNewTokens.ShouldBe(5);
        host.Services.GetServices<IHostedService>().Count(each => each.GetType().Name == "PeftStartup").ShouldBe(1);
        var health = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        (health.Status, (int)health.Entries["peft"].Data["adapters"]).ShouldBe((HealthStatus.Healthy, 8));
        host.Services.GetRequiredService<ServedModel>().Dispose();
        (await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync()).Status.ShouldBe(HealthStatus.Unhealthy);
    }

    [Fact]
    public async Task Activities_follow_the_conventions_of_OpenTelemetry()
    {
        var seen = new List<System.Diagnostics.Activity>();
        using var listener = new System.Diagnostics.ActivityListener
        {
            ShouldListenTo = source => source.Name == PeftTelemetry.ClientSource,
            Sample = (ref System.Diagnostics.ActivityCreationOptions<System.Diagnostics.ActivityContext> _) => System.Diagnostics.ActivitySamplingResult.AllData,
            ActivityStopped = activity =>
            {
                lock (seen) seen.Add(activity);
            },
        };
        System.Diagnostics.ActivitySource.AddActivityListener(listener);
        using var host = Host();
        await host.StartAsync();
        await host.Services.GetRequiredKeyedService<IChatClient>("a7").GetResponseAsync("Hi there", new() { MaxOutputTokens = 3, Temperature = 0 });
        var chat = seen.Single(each => Equals(each.GetTagItem("gen_ai.operation.name"), "chat") && Equals(each.GetTagItem("gen_ai.response.model"), "a7"));
        chat.GetTagItem("gen_ai.usage.output_tokens").ShouldBe(3);
        chat.TagObjects.ShouldNotContain(tag => $"{tag.Value}".Contains("Hi there"));
    }
}
