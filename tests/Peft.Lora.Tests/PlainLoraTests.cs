using Peft.Models;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora.Tests;

/// <summary>What SaveAsPlainLora writes has the same outputs when it is read as plain LoRA, or is refused.</summary>
public sealed class PlainLoraTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly CausalLM model = Model(tied: false);
    private readonly TemporaryFolder folder = new();
    private readonly Tensor ids = tensor(new long[,] { { 1, 2, 3, 7 }, { 4, 19, 6, 2 } });

    public PlainLoraTests() => manual_seed(41);

    private static CausalLM Model(bool tied) => CausalLM.FromConfig(ModelConfig.Parse($$"""
        {"model_type":"llama","hidden_size":16,"num_hidden_layers":2,"num_attention_heads":2,"num_key_value_heads":2,"intermediate_size":24,"vocab_size":20,"tie_word_embeddings":{{(tied ? "true" : "false")}}}
        """), seed: 3);

    public void Dispose()
    {
        model.Dispose();
        scope.Dispose();
        folder.Dispose();
    }

    private static readonly LoraOptions Lora = new() { Rank = 2, Alpha = 3, TargetModules = ["q_proj", "down_proj"] };

    public static TheoryData<string, string> Refused => new()
    {
        { "dora", "DoRA" },
        { "dora of pissa", "DoRA" },
        { "rslora and dora", "DoRA" },
        { "bias all", "biases" },
        { "bias lora_only", "biases" },
        { "lora_bias", "biases" },
        { "tokens", "trainable_token_indices" },
        { "parameters", "target_parameters" },
        { "alora", "activated LoRA" },
        { "layers", "layer_replication" },
        { "vera", "VERA" },
        { "loha", "LOHA" },
        { "adalora", "ADALORA" },
        { "lokr", "LOKR" },
        { "union", "UNION" },
    };

    private static AdapterOptions Options(string name) => name switch
    {
        "dora" => Lora with { UseDora = true },
        "dora of pissa" => Lora with { UseDora = true, Initialization = LoraInitialization.Pissa },
        "rslora and dora" => Lora with { UseDora = true, UseRslora = true },
        "bias all" => Lora with { Bias = "all" },
        "bias lora_only" => Lora with { Bias = "lora_only" },
        "lora_bias" => Lora with { UseLoraBias = true },
        "tokens" => Lora with { TrainableTokenIndices = new[] { 1, 2 } },
        "parameters" => Lora with { TargetModules = Array.Empty<string>(), TargetParameters = ["q_proj.weight"] },
        "alora" => Lora with { AloraInvocationTokens = [2, 3] },
        "layers" => Lora with { LayerReplication = [new(0, 2), new(1, 2)] },
        "vera" => new VeraOptions { Rank = 2, TargetModules = ["q_proj"] },
        "loha" => new LoHaOptions { Rank = 2, TargetModules = ["q_proj"] },
        "adalora" => new AdaLoraOptions { TotalSteps = 10, TargetModules = ["q_proj"] },
        "lokr" => new LoKrOptions { Rank = 2, TargetModules = ["q_proj"] },
        _ => new UnionOptions { Parts = [Lora, new LoHaOptions { Rank = 2, TargetModules = ["v_proj"] }] },
    };

    [Theory, MemberData(nameof(Refused))]
    public void What_has_no_exact_plain_form_is_refused_and_nothing_is_written(string name, string named)
    {
        using var peft = model.ApplyAdapter(Options(name));
        peft.Shake();
        var message = Should.Throw<AdapterOptionsException>(() => peft.SaveAsPlainLora(folder["out"])).Message;
        message.ShouldContain("default");
        message.ShouldContain(named);
        message.ShouldEndWith(".");
        Path.Exists(folder["out"]).ShouldBeFalse();
    }

    public static TheoryData<string> Written => ["rslora", "patterns", "rslora patterns of pissa", "patterns of pissa", "orthogonal", "gaussian", "loftq", "eva", "whole modules", "whole modules of pissa",
        "embedding", "embedding of pissa", "tied", "tied of pissa", "transposed of olora", "velora", "monteclora", "kasa of rslora", "bdlora in part", "qalora", "excluded"];

    private static LoraOptions Plain(string name)
    {
        var patterns = Lora with { RankPattern = new Dictionary<string, int> { ["down_proj"] = 3 }, AlphaPattern = new Dictionary<string, double> { [@".*\.1\.self_attn\.q_proj"] = 5 } };
        var tied = Lora with { TargetModules = ["embed_tokens", "lm_head"], EnsureWeightTying = true };
        return name switch
        {
            "rslora" => Lora with { UseRslora = true },
            "patterns" => patterns,
            "patterns of pissa" => patterns with { Initialization = LoraInitialization.Pissa },
            "rslora patterns of pissa" => patterns with { UseRslora = true, Initialization = LoraInitialization.Pissa },
            "orthogonal" => Lora with { Initialization = LoraInitialization.Orthogonal },
            "gaussian" => Lora with { Initialization = LoraInitialization.Gaussian },
            "loftq" => Lora with { Initialization = LoraInitialization.Loftq },
            "eva" => Lora with { Initialization = LoraInitialization.Eva },
            "whole modules" => Lora with { ModulesToSave = ["norm"] },
            "whole modules of pissa" => Lora with { ModulesToSave = ["norm"], Initialization = LoraInitialization.Pissa },
            "embedding" => Lora with { TargetModules = ["embed_tokens"] },
            "embedding of pissa" => Lora with { TargetModules = ["embed_tokens"], Initialization = LoraInitialization.Pissa },
            "tied" => tied,
            "tied of pissa" => tied with { Initialization = LoraInitialization.Pissa },
            "velora" => Lora with { Velora = new() { Groups = 4 } },
            "monteclora" => Lora with { Monteclora = new() { Samples = 3 } },
            "kasa of rslora" => Lora with { Kasa = new(), UseRslora = true },
            "bdlora in part" => Lora with { BdLora = new() { Blocks = 2, BlocksInA = ["q_proj"], MatchStrict = false } },
            "qalora" => Lora with { UseQalora = true, QaloraGroupSize = 4 },
            "excluded" => Lora with { ExcludeModules = new[] { "layers.0.self_attn.q_proj" }, LayersToTransform = [1] },
            _ => Lora with { Initialization = LoraInitialization.Olora },
        };
    }

    [Theory, MemberData(nameof(Written))]
    public void What_is_written_is_a_plain_LoRA_with_the_same_outputs(string name)
    {
        using var _ = no_grad();
        using var model = Model(name.StartsWith("tied", StringComparison.Ordinal));
        Tensor trained;
        using (var peft = model.ApplyAdapter(Plain(name)))
        {
            peft.Shake();
            model.eval();
            trained = model.forward(ids);
            peft.SaveAsPlainLora(folder);
        }
        // As a reader sees it that knows factors, a rank and an alpha, and two patterns: the updates computed by hand from the file.
        var saved = (LoraOptions)AdapterConfig.Read(folder);
        saved.Initialization.ShouldBe(LoraInitialization.Default);
        saved.Variants.ShouldBeEmpty();
        using (var file = Checkpoints.SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]))
            file.Tensors.Keys.ShouldAllBe(key => key.EndsWith(".lora_A.weight", StringComparison.Ordinal) || key.EndsWith(".lora_B.weight", StringComparison.Ordinal)
                || key.EndsWith(".lora_embedding_A", StringComparison.Ordinal) || key.EndsWith(".lora_embedding_B", StringComparison.Ordinal) || key.EndsWith(".norm.weight", StringComparison.Ordinal)
                || key.EndsWith(".base_layer.weight", StringComparison.Ordinal));   // the base embedding, which Hugging Face PEFT saves with its LoRA
        Apply(saved);
        model.forward(ids).RelativeDifference(trained).ShouldBeLessThan(1e-5f);   // float32, sums in another order

        void Apply(LoraOptions options)
        {
            using var file = Checkpoints.SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]);
            var applied = new HashSet<Parameter>(ReferenceEqualityComparer.Instance);
            foreach (var (path, module) in model.named_modules())
            {
                var prefix = "base_model.model." + path;
                if (file.Tensors.ContainsKey(prefix + ".weight")) module.get_parameter("weight")!.copy_(file.Read(prefix + ".weight"));
                var (a, b) = file.Tensors.ContainsKey(prefix + ".lora_A.weight") ? (file.Read(prefix + ".lora_A.weight"), file.Read(prefix + ".lora_B.weight"))
                    : file.Tensors.ContainsKey(prefix + ".lora_embedding_A") ? (file.Read(prefix + ".lora_embedding_B").t(), file.Read(prefix + ".lora_embedding_A").t()) : (null!, null!);
                if (a is null) continue;
                var weight = module.get_parameter("weight")!;
                if (!applied.Add(weight)) continue;   // a tied head
                var rank = Pattern(options.RankPattern, path) is { } own ? own : options.Rank;
                var alpha = Pattern(options.AlphaPattern, path) is { } other ? other : options.Alpha;
                rank.ShouldBe((int)a.shape[0]);
                weight.add_(b.mm(a).mul(alpha / (options.UseRslora ? Math.Sqrt(rank) : rank)));
            }
        }

        static T? Pattern<T>(IReadOnlyDictionary<string, T> patterns, string path) where T : struct
            => patterns.Where(pair => System.Text.RegularExpressions.Regex.IsMatch(path, $@"(.*\.)?({pair.Key})$")).Select(pair => (T?)pair.Value).FirstOrDefault();
    }

    [Fact]
    public void The_folder_is_the_adapters_whatever_its_name()
    {
        using var peft = new PeftModel(model);
        peft.Add("other", Lora);
        peft.SaveAsPlainLora(folder, "other");
        File.Exists(folder[AdapterConfig.FileName]).ShouldBeTrue();
    }

    [Fact]
    public void A_convolution_that_readers_apply_otherwise_is_refused()
    {
        foreach (var (dilation, mode, refused) in new[] { (2, PaddingModes.Zeros, true), (1, PaddingModes.Circular, true), (1, PaddingModes.Zeros, false) })
        {
            using var convolution = nn.Sequential(nn.Conv1d(4, 6, 3, padding: 1, dilation: dilation, padding_mode: mode));
            using var peft = convolution.ApplyAdapter(new LoraOptions { Rank = 2, TargetModules = ["0"], Initialization = LoraInitialization.Pissa });
            peft.Shake();
            if (refused)
            {
                Should.Throw<AdapterOptionsException>(() => peft.SaveAsPlainLora(folder)).Message.ShouldContain("convolution with dilation");
                continue;
            }
            var x = randn(2, 4, 9);
            var trained = convolution.call(x);
            peft.SaveAsPlainLora(folder);
            using var file = Checkpoints.SafetensorsFile.Open(folder[AdapterCheckpoint.FileName]);
            var (a, b) = (file.Read("base_model.model.0.lora_A.weight"), file.Read("base_model.model.0.lora_B.weight"));
            peft.Unload();
            // As Hugging Face PEFT computes it: two convolutions, scaled by alpha/rank.
            var added = nn.functional.conv1d(nn.functional.conv1d(x, a, padding: 1), b);
            convolution.call(x).add(added.mul(8.0 / 2)).Difference(trained).ShouldBeLessThan(1e-4f);
        }
    }

    [Theory, InlineData("dora", "DoraLayer"), InlineData("lora_bias", "LoraLayer"), InlineData("tokens", "TokensLayer"), InlineData("whole modules", "FullLayer")]
    public void A_combination_that_would_lose_a_part_of_an_adapter_is_refused(string name, string named)
    {
        using var peft = model.ApplyAdapter(Lora);
        peft.Add("more", name == "whole modules" ? Plain(name) : Options(name));
        var message = Should.Throw<AdapterOptionsException>(() => peft.Combine("both", [("default", 1), ("more", 1)], new() { Kind = Combination.Cat })).Message;
        message.ShouldContain("'more'");
        message.ShouldContain(named);
        peft.Adapters.Keys.ShouldBe(["default", "more"], ignoreOrder: true);
    }
}
