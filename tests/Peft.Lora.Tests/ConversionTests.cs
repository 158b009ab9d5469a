using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>LoRA adapters made from adapters of other methods.</summary>
public sealed class ConversionTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly UserModel model = new();
    private readonly TemporaryFolder folder = new();
    private readonly Tensor x;

    public ConversionTests()
    {
        manual_seed(31);
        x = randn(16, 6);
        model.eval();
    }

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static readonly ModuleSelector Targets = ModuleSelector.Create(["middle.0", "middle.2"]);

    public static TheoryData<string> Methods => ["LORA", "DORA", "ADALORA", "LOHA", "LOKR", "VERA", "OFT", "HRA", "BOFT", "MISS", "GRALORA", "FOURIERFT", "HIRA", "DELORA", "SHIRA"];

    private static AdapterOptions Options(string method) => method switch
    {
        "LORA" => new LoraOptions { Rank = 2, Alpha = 3, UseRslora = true, TargetModules = Targets, RankPattern = new Dictionary<string, int> { ["middle.2"] = 3 } },
        "DORA" => new LoraOptions { Rank = 2, UseDora = true, TargetModules = Targets },
        "ADALORA" => new AdaLoraOptions { TargetRank = 2, InitialRank = 3, TargetModules = Targets },
        "LOHA" => new LoHaOptions { Rank = 2, TargetModules = Targets },
        "LOKR" => new LoKrOptions { Rank = 2, TargetModules = Targets },
        "VERA" => new VeraOptions { Rank = 4, TargetModules = Targets },
        "OFT" => new OftOptions { BlockSize = 4, TargetModules = Targets },
        "HRA" => new HraOptions { Rank = 2, TargetModules = Targets },
        "BOFT" => new BoftOptions { BlockSize = 4, TargetModules = Targets },
        "MISS" => new MissOptions { Rank = 2, TargetModules = Targets },
        "GRALORA" => new GraloraOptions { Rank = 4, Blocks = 2, TargetModules = Targets },
        "FOURIERFT" => new FourierFtOptions { Frequencies = 10, TargetModules = Targets },
        "HIRA" => new HiraOptions { Rank = 2, TargetModules = Targets },
        "DELORA" => new DeloraOptions { Rank = 2, TargetModules = Targets },
        "SHIRA" => new ShiraOptions { Rank = 2, TargetModules = Targets },
        _ => throw new ArgumentException(method),
    };

    [Theory, MemberData(nameof(Methods))]
    public void With_all_of_its_energy_the_update_of_any_method_is_the_same_as_a_LoRA(string method)
    {
        var bits = model.Bits();
        var before = model.call(x);
        using var peft = model.ApplyAdapter(Options(method));
        peft.Shake();
        var output = model.call(x);
        var modules = peft.ConvertToLora("default", "lora");
        modules.Select(each => each.Path).ShouldBe(["middle.0", "middle.2"]);
        modules.ShouldAllBe(each => each.Error < 1e-5);
        model.call(x).Difference(output).ShouldBe(0);   // the new adapter is not active
        peft.Activate("lora");
        model.call(x).RelativeDifference(output).ShouldBeLessThan(1e-4f);   // singular vectors of float32
        output.Difference(before).ShouldBeGreaterThan(1e-3f);
        peft.SaveAdapter(folder, "lora");
        peft.Unload();
        model.ShouldHaveBits(bits);
        using var loaded = model.ApplyAdapter(folder["lora"]);
        loaded.Find("default").Options.ShouldBeOfType<LoraOptions>();
        model.call(x).RelativeDifference(output).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void A_low_rank_update_keeps_its_rank()
    {
        using var peft = model.ApplyAdapter(Options("LORA"));
        peft.Shake();
        peft.ConvertToLora("default", "same").ToDictionary(each => each.Path, each => each.Rank).ShouldBe(new Dictionary<string, int> { ["middle.0"] = 2, ["middle.2"] = 3 });
        peft.ConvertToLora("default", "less", rank: 1).ShouldAllBe(each => each.Rank == 1 && each.Error > 0.01);
        // An update of zeros has nothing to lose.
        peft.Add("zero", Options("LORA"));
        peft.ConvertToLora("zero", "none").ShouldAllBe(each => each.Rank == 1 && each.Error == 0);
    }

    // The rule of Hugging Face PEFT: the smallest rank whose squared singular values sum to the threshold, and the best approximation of that rank.
    [Theory, InlineData(0.5), InlineData(0.9)]
    public void The_rank_follows_from_the_energy_that_is_kept(double energy)
    {
        using var peft = model.ApplyAdapter(Options("OFT"));
        peft.Shake();
        var made = peft.ConvertToLora("default", "lora", energy: energy);
        foreach (var module in made)
        {
            var layer = peft.Find("default").Layers.Single(each => each.Target.Path == module.Path);
            var update = peft.UpdateOf("default", layer.Target)!.Weight;
            var (u, s, vt) = linalg.svd(update, fullMatrices: false);
            var parts = (s.square().cumsum(0) / s.square().sum()).data<float>().ToArray();
            module.Rank.ShouldBe(1 + parts.TakeWhile(part => part < energy).Count());
            module.Error.ShouldBe(Math.Sqrt(1 - parts[module.Rank - 1]), 1e-3);
            var best = u[.., ..module.Rank].mul(s[..module.Rank]).mm(vt[..module.Rank]);
            peft.UpdateOf("lora", layer.Target)!.Weight.Difference(best).ShouldBeLessThan(1e-5f);
        }
    }

    [Fact]
    public void Fully_trained_modules_and_trained_tokens_are_taken_along()
    {
        using var writer = Writer(tied: false);
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        using var peft = writer.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["q_proj"], ModulesToSave = ["lm_head"], TrainableTokenIndices = new[] { 1, 2 } });
        peft.Shake();
        Tensor output;
        using (no_grad()) output = writer.forward(ids);
        peft.ConvertToLora("default", "lora").ToDictionary(each => each.Path, each => each.Rank).ShouldBe(new Dictionary<string, int> { ["model.embed_tokens"] = 2, ["model.layers.0.self_attn.q_proj"] = 2 }, ignoreOrder: true);
        peft.Activate("lora");
        using (no_grad()) writer.forward(ids).RelativeDifference(output).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void A_fully_trained_model_becomes_a_LoRA_with_its_norms()
    {
        using var writer = Writer(tied: false);
        var ids = tensor(new long[] { 1, 2, 3 }).unsqueeze(0);
        using var peft = writer.ApplyFull();
        peft.Shake();
        Tensor output;
        using (no_grad()) output = writer.forward(ids);
        peft.ConvertToLora("default", "lora", rank: 16).ShouldAllBe(each => each.Error < 1e-5);
        ((LoraOptions)peft.Find("lora").Options).ModulesToSave!.ShouldBe(["model.layers.0.input_layernorm", "model.layers.0.post_attention_layernorm", "model.norm"], ignoreOrder: true);
        peft.Activate("lora");
        using (no_grad()) writer.forward(ids).RelativeDifference(output).ShouldBeLessThan(1e-4f);
    }

    [Fact]
    public void What_no_LoRA_computes_is_refused_and_nothing_changes()
    {
        using var peft = new PeftModel(model);
        peft.Add("bias", new LoraOptions { TargetModules = Targets, Bias = "lora_only" });
        peft.Add("ia3", new Ia3Options { TargetModules = Targets, FeedForwardModules = Array.Empty<string>() });
        peft.Add("block", new BottleneckOptions { TargetModules = Targets });
        peft.Activate("bias", "ia3", "block");
        peft.Shake();
        foreach (var name in new[] { "bias", "ia3", "block" })
            Should.Throw<AdapterOptionsException>(() => peft.ConvertToLora(name, "lora")).Message.ShouldContain($"Adapter '{name}'");
        Should.Throw<AdapterNotFoundException>(() => peft.ConvertToLora("nothing", "lora"));
        Should.Throw<AdapterExistsException>(() =>
        {
            peft.Add("good", Options("LOHA"));
            peft.ConvertToLora("good", "bias");
        });
        Should.Throw<ArgumentOutOfRangeException>(() => peft.ConvertToLora("good", "lora", rank: 0));
        Should.Throw<ArgumentOutOfRangeException>(() => peft.ConvertToLora("good", "lora", energy: double.NaN));
        peft.Adapters.Keys.ShouldBe(["bias", "ia3", "block", "good"], ignoreOrder: true);
    }

    private static CausalLM Writer(bool tied) => CausalLM.FromConfig(ModelConfig.Parse($$"""
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":1,"num_attention_heads":2,"num_key_value_heads":2,"intermediate_size":24,"vocab_size":20,"tie_word_embeddings":{{(tied ? "true" : "false")}}}
        """));
}
