using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Options;
using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Settings : InFolder
{
    [Fact]
    public void Options_from_a_file_and_the_environment()
    {
        File.WriteAllText("appsettings.json", FirstJson(Path.Combine(AppContext.BaseDirectory, "pages")));
        // snippet: settings
        IConfiguration settings = new ConfigurationBuilder().AddJsonFile(Path.GetFullPath("appsettings.json")).AddEnvironmentVariables("PEFT_").Build();

        // Always set this option: without it, .NET's binder ignores unknown keys.
        static void Strict(BinderOptions binder) => binder.ErrorOnUnknownConfiguration = true;

        LoraOptions lora = settings.GetSection("Lora").Get<LoraOptions>(Strict)!;
        TrainingOptions training = settings.GetSection("Training").Get<TrainingOptions>(Strict)!;
        // end
        var services = new ServiceCollection().AddSingleton(settings);
        // snippet: settings-services
        services.AddOptions<LoraOptions>().BindConfiguration("Lora", Strict);          // then IOptions<LoraOptions> anywhere
        services.AddOptions<TrainingOptions>().BindConfiguration("Training", Strict);
        // end
        (lora.Rank, lora.Alpha, lora.Initialization, lora.RankPattern["v_proj"]).ShouldBe((16, 32, LoraInitialization.Pissa, 4));
        lora.TargetModules!.Names.ShouldBe(["q_proj", "v_proj"]);
        (training.Epochs, training.LearningRate, training.Schedule, training.Optimizer.WeightDecay).ShouldBe((1, 1e-3, LearningRateSchedule.Cosine(), 0.01));
        var load = settings.GetSection("Model").Get<LoadOptions>(Strict)!;
        (load.Dtype, load.Hub!.CacheFolder, load.Hub.Timeout).ShouldBe((TorchSharp.torch.ScalarType.BFloat16, "cache", TimeSpan.FromMinutes(1)));
        load.Device!.type.ShouldBe(TorchSharp.DeviceType.CUDA);
        using var provider = services.BuildServiceProvider();
        provider.GetRequiredService<IOptions<LoraOptions>>().Value.TargetModules!.Names.ShouldBe(["q_proj", "v_proj"]);
        provider.GetRequiredService<IOptions<TrainingOptions>>().Value.Schedule.ShouldBe(LearningRateSchedule.Cosine());
    }

    [Fact]
    public void One_seed()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        // snippet: seeds
        var seed = 7;
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, InitializationSeed = seed });
        var training = new TrainingOptions { Seed = seed };
        // end
        training.Seed.ShouldBe(7);
    }

    // The page's own file.
    private static string FirstJson(string pages)
    {
        var page = File.ReadAllText(Directory.EnumerateFiles(pages, "settings.md", SearchOption.AllDirectories).Single()).ReplaceLineEndings("\n");
        var start = page.IndexOf("```json\n", StringComparison.Ordinal) + 8;
        return page[start..page.IndexOf("```", start, StringComparison.Ordinal)];
    }
}
