using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Tests;

/// <summary>What the check allows computes the same as in the model, for every method; the rest is refused.</summary>
public sealed class MethodTests : IDisposable
{
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");

    private readonly TemporaryFolder folder = new();

    // It has biases, and other sizes of keys than of queries.
    private readonly CausalLM model = CausalLM.FromConfig(OnnxTests.Config("qwen2", """{"vocab_size": 512}"""), seed: 3);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    private static readonly ModuleSelector Targets = ModuleSelector.Create(["q_proj", "v_proj", "down_proj"]);

    private static readonly Dictionary<string, AdapterOptions> Options = new()
    {
        ["LoRA, rank-stabilized"] = new LoraOptions { Rank = 4, Alpha = 8, UseRslora = true, TargetModules = Targets },
        ["LoRA with patterns"] = new LoraOptions { Rank = 4, Alpha = 8, RankPattern = new Dictionary<string, int> { ["q_proj"] = 2 }, AlphaPattern = new Dictionary<string, double> { ["v_proj"] = 3 }, TargetModules = Targets },
        ["PiSSA"] = new LoraOptions { Rank = 4, Initialization = LoraInitialization.Pissa, TargetModules = Targets },
        ["OLoRA"] = new LoraOptions { Rank = 4, Initialization = LoraInitialization.Olora, TargetModules = Targets },
        ["KaSA"] = new LoraOptions { Rank = 4, Kasa = new(), TargetModules = Targets },
        ["VeLoRA"] = new LoraOptions { Rank = 4, Velora = new(), TargetModules = Targets },
        ["MonteCLoRA"] = new LoraOptions { Rank = 4, Monteclora = new(), TargetModules = Targets },
        ["QA-LoRA"] = new LoraOptions { Rank = 4, UseQalora = true, QaloraGroupSize = 4, TargetModules = Targets },
        ["AdaLoRA"] = new AdaLoraOptions { InitialRank = 6, TargetRank = 4, TotalSteps = 100, TargetModules = Targets },
        ["AdaMSS"] = new AdamssOptions { Rank = 8, SubspaceCount = 2, TargetModules = ModuleSelector.Create(["down_proj"]) },
        ["VeRA"] = new VeraOptions { Rank = 16, TargetModules = Targets },
        ["PVeRA"] = new PveraOptions { Rank = 16, TargetModules = Targets },
        ["LoHa"] = new LoHaOptions { Rank = 2, TargetModules = Targets },
        ["DeLoRA"] = new DeloraOptions { Rank = 4, TargetModules = Targets },
        ["TinyLoRA"] = new TinyLoraOptions { TargetModules = Targets },
        ["LoRA in the head"] = new LoraOptions { Rank = 4, TargetModules = ModuleSelector.Create(["lm_head", "embed_tokens"]) },
        ["a trained head"] = new LoraOptions { Rank = 4, ModulesToSave = ["lm_head"], TargetModules = Targets },
        ["a trained norm"] = new LoraOptions { Rank = 4, ModulesToSave = ["norm"], TargetModules = Targets },
        ["partial fine-tuning"] = new PartialOptions { TargetModules = ["down_proj"] },
    };

    private static readonly Dictionary<string, (AdapterOptions Options, string Reason)> Refused = new()
    {
        ["DoRA"] = (new LoraOptions { UseDora = true, TargetModules = Targets }, "not a low-rank update"),
        ["a bias of LoRA"] = (new LoraOptions { UseLoraBias = true, TargetModules = Targets }, "has a bias"),
        ["all biases"] = (new LoraOptions { Rank = 4, Bias = "all", TargetModules = Targets }, "not a low-rank update"),
        ["AdaMSS with a bias"] = (new AdamssOptions { Rank = 8, SubspaceCount = 2, TargetModules = ModuleSelector.Create(["q_proj"]) }, "has a bias"),
        ["activated LoRA"] = (new LoraOptions { AloraInvocationTokens = [3, 4], TargetModules = Targets }, "some positions only"),
        ["replicated layers"] = (new LoraOptions { LayerReplication = [new(0, 2), new(1, 2)], TargetModules = Targets }, "layer_replication"),
        ["trained tokens"] = (new LoraOptions { TrainableTokenIndices = new[] { 3, 4 }, TargetModules = Targets }, "not a low-rank update"),
        ["a union on one module"] = (new UnionOptions { Parts = [new LoraOptions { TargetModules = Targets }, new VeraOptions { Rank = 16, TargetModules = Targets }] }, "several updates"),
        ["(IA)³"] = (new Ia3Options(), "not a low-rank update"),
        ["HiRA"] = (new HiraOptions { Rank = 8, TargetModules = Targets }, "of a high rank"),
        ["OFT"] = (new OftOptions { BlockSize = 8, TargetModules = Targets }, "not a low-rank update"),
    };

    // Some of these are of a high rank on this small model, or rotate outputs.
    private static readonly AdapterOptions[] Others =
    [
        new LoKrOptions { Rank = 2, TargetModules = Targets }, new RandLoraOptions { Rank = 4, TargetModules = Targets }, new UniLoraOptions { Rank = 4, TargetModules = Targets }, new VbLoraOptions { Rank = 2, VectorLength = 4, TargetModules = Targets },
        new GraloraOptions { Rank = 4, TargetModules = Targets }, new PsoftOptions { Rank = 4, TargetModules = Targets }, new DeftOptions { Rank = 4, TargetModules = Targets }, new FourierFtOptions { TargetModules = Targets },
        new MissOptions { Rank = 4, TargetModules = Targets }, new ShiraOptions { Rank = 4, TargetModules = Targets }, new OsfOptions { TargetModules = Targets }, new FrodOptions { TargetModules = Targets },
        new PeanutOptions { Rank = 4, TargetModules = Targets }, new WaveFtOptions { Coefficients = 64, TargetModules = Targets }, new C3aOptions { BlockSize = 4, TargetModules = Targets }, new SupertuningOptions { TargetModules = Targets },
        new GloraOptions { TargetModules = Targets }, new LilyOptions { Rank = 4, TargetModules = Targets }, new BoftOptions { BlockSize = 4, TargetModules = Targets }, new HraOptions { Rank = 4, TargetModules = Targets },
        new RoadOptions { GroupSize = 32, TargetModules = Targets }, new BeftOptions(), new LayerNormTuningOptions(), new BitFitOptions(), new ReftOptions(),
    ];

    public static TheoryData<string> Names => [.. Options.Keys];

    public static TheoryData<string> OtherNames => [.. Others.Select(each => each.PeftType)];

    public static TheoryData<string> RefusedNames => [.. Refused.Keys];

    [Theory, MemberData(nameof(Names))]
    public void What_is_exported_computes_the_same(string name)
    {
        using var peft = model.ApplyAdapter(Options[name]);
        peft.Shake(0.1, seed: 5);
        model.eval();
        peft.CheckExport(ExportTarget.OnnxAdapter).ShouldBeEmpty();
        ShouldBeTheSame(peft);
    }

    private void ShouldBeTheSame(PeftModel peft)
    {
        peft.SaveOnnx(folder["model.onnx"]);
        peft.SaveOnnxAdapter(folder["a.onnx_adapter"]);
        using var runtime = new OnnxRuntime(folder["model.onnx"], model);
        using var ids = tensor(new long[,] { { 5, 43, 47, 61, 78 } });
        using var mask = ones_like(ids);
        var adapted = Logits();
        runtime.Run(ids, mask, folder["a.onnx_adapter"]).ShouldBeNear(adapted, mask);
        if (peft.CheckExport(ExportTarget.GgufAdapter).Count == 0) ShouldBeTheSameInLlamaCpp(peft);
        using (peft.WithoutAdapters()) Logits().Largest(adapted, mask).ShouldBeGreaterThan(0.01, "the adapter must show");

        Tensor Logits()
        {
            using var gradients = no_grad();
            return model.forward(new ModelInput { InputIds = ids, AttentionMask = mask });
        }
    }

    [Theory, MemberData(nameof(OtherNames))]
    public void Another_method_computes_the_same_or_is_refused(string name)
    {
        using var peft = model.ApplyAdapter(Others.Single(each => each.PeftType == name));
        peft.Shake(0.1, seed: 5);
        model.eval();
        if (peft.CheckExport(ExportTarget.OnnxAdapter).Count > 0) Should.Throw<ExportException>(() => peft.SaveOnnxAdapter(folder["a.onnx_adapter"]));
        else ShouldBeTheSame(peft);
    }

    private void ShouldBeTheSameInLlamaCpp(PeftModel peft)
    {
        peft.SaveGguf(folder["a.gguf"]);
        using var plain = CausalLM.FromConfig(model.Config, seed: 3);   // the same values
        plain.SaveGguf(folder["model.gguf"], Tokenizer.FromPretrained(Stories), GgufWeights.F32);
        using var runtime = new LlamaCpp(folder["model.gguf"]);
        runtime.Apply((folder["a.gguf"], 1));
        int[] tokens = [5, 43, 47, 61, 78];
        runtime.LogProbabilities(tokens).Difference(GgufTests.LogProbabilities(model, tokens)).ShouldBeLessThan(1e-3);
    }

    [Theory, MemberData(nameof(RefusedNames))]
    public void The_rest_is_refused(string name)
    {
        using var peft = model.ApplyAdapter(Refused[name].Options);
        peft.Shake(0.1, seed: 5);
        Should.Throw<ExportException>(() => peft.SaveOnnx(folder["model.onnx"])).Message.ShouldContain(Refused[name].Reason);
        Should.Throw<ExportException>(() => peft.SaveOnnxAdapter(folder["a.onnx_adapter"])).Message.ShouldContain(Refused[name].Reason);
        Should.Throw<ExportException>(() => peft.SaveGguf(folder["a.gguf"])).Message.ShouldContain(Refused[name].Reason);
        peft.CheckExport(ExportTarget.Vllm).ShouldNotBeEmpty();
        folder.FileNames.ShouldBeEmpty();
    }
}
