using System.Text.Json.Nodes;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Tests;

/// <summary>What is written as GGUF, run by llama.cpp.</summary>
public sealed class GgufTests : IDisposable
{
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
    private static readonly int[] Prompt = [1, 403, 407, 261, 378, 317, 259, 354, 410, 289];

    private readonly TemporaryFolder folder = new();
    private readonly CausalLM model = CausalLM.FromPretrained(Stories);

    public void Dispose()
    {
        model.Dispose();
        folder.Dispose();
    }

    private string BaseFile
    {
        get
        {
            if (!File.Exists(folder["base.gguf"])) model.SaveGguf(folder["base.gguf"], Tokenizer.FromPretrained(Stories), GgufWeights.F32);
            return folder["base.gguf"];
        }
    }

    public static TheoryData<string> Methods => [.. Options.Keys];

    private static readonly Dictionary<string, AdapterOptions> Options = new()
    {
        ["LoRA"] = new LoraOptions { Rank = 4, Alpha = 16, TargetModules = ModuleSelector.Create(["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]) },
        ["rsLoRA"] = new LoraOptions { Rank = 4, Alpha = 8, UseRslora = true },
        ["patterns"] = new LoraOptions { Rank = 4, Alpha = 8, RankPattern = new Dictionary<string, int> { ["q_proj"] = 2 }, AlphaPattern = new Dictionary<string, double> { ["v_proj"] = 3 } },
        ["PiSSA"] = new LoraOptions { Rank = 4, Initialization = LoraInitialization.Pissa },
        ["AdaLoRA"] = new AdaLoraOptions { InitialRank = 6, TargetRank = 4, TotalSteps = 100 },
        ["VeRA"] = new VeraOptions { Rank = 16 },
        ["LoHa"] = new LoHaOptions { Rank = 2 },
    };

    [Theory, MemberData(nameof(Methods))]
    public void An_adapter_computes_the_same_in_llama_cpp(string method)
    {
        using var peft = model.ApplyAdapter(Options[method]);
        peft.Shake(0.05, seed: 5);
        peft.SaveGguf(folder["adapter.gguf"]);
        var adapted = LogProbabilities(model);
        using (peft.WithoutAdapters()) LogProbabilities(model).Difference(adapted).ShouldBeGreaterThan(0.05, "the adapter must show");
        peft.Unload();
        using var runtime = new LlamaCpp(BaseFile);
        runtime.LogProbabilities(Prompt).Difference(LogProbabilities(model)).ShouldBeLessThan(1e-3, "the base");
        runtime.Apply((folder["adapter.gguf"], 1));
        runtime.LogProbabilities(Prompt).Difference(adapted).ShouldBeLessThan(1e-3);
    }

    private static ModelConfig Config(string type, string fields)
    {
        var config = new JsonObject
        {
            ["model_type"] = type, ["vocab_size"] = 512, ["hidden_size"] = 64, ["intermediate_size"] = 96, ["num_hidden_layers"] = 2, ["num_attention_heads"] = 4, ["num_key_value_heads"] = 2,
            ["max_position_embeddings"] = 128, ["tie_word_embeddings"] = type is "gpt2" or "gemma" or "gemma2" or "gemma3_text", ["initializer_range"] = 0.1,
        };
        foreach (var (name, value) in JsonNode.Parse(fields)!.AsObject()) config[name] = value?.DeepClone();
        return ModelConfig.Parse(config.ToJsonString(), type);
    }

    // llama.cpp computes GELU through tables of float16.
    [Theory]
    [InlineData("llama", """{"attention_bias": true}""", 1e-3)]
    [InlineData("llama", """{"tie_word_embeddings": true, "rope_scaling": {"rope_type": "linear", "factor": 2.0}}""", 1e-3)]
    [InlineData("llama", """{"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}}""", 1e-3)]
    [InlineData("llama", """{"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}}""", 1e-3)]
    [InlineData("qwen2", """{"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 64, "beta_fast": 4, "beta_slow": 0.5, "attention_factor": 0.8}}""", 1e-3)]
    [InlineData("mistral", "{}", 1e-3)]
    [InlineData("qwen2", "{}", 1e-3)]
    [InlineData("qwen3", """{"head_dim": 16}""", 1e-3)]
    [InlineData("phi3", """{"pad_token_id": 0}""", 1e-3)]
    [InlineData("gemma", """{"head_dim": 16}""", 5e-3)]
    [InlineData("gemma2", """{"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8}""", 5e-3)]
    [InlineData("gemma3_text", """{"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8}""", 5e-3)]
    [InlineData("gemma3_text", """{"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 8, "rope_local_base_freq": 200.0}""", 5e-3)]
    [InlineData("gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128}""", 5e-3)]
    [InlineData("gpt_neox", """{"rotary_pct": 0.5}""", 5e-3)]
    public void Every_architecture_computes_the_same_in_llama_cpp(string type, string fields, double tolerance)
    {
        using var random = CausalLM.FromConfig(Config(type, fields), seed: 3);
        ModuleSelector linear = random.Spec.TiedHead ? ModuleSelector.AllLinear : ".*(q_proj|qkv_proj|query_key_value|down_proj|dense_4h_to_h|embed_tokens|embed_in|lm_head|embed_out)";
        using var peft = random.ApplyAdapter(new LoraOptions { Rank = 3, Alpha = 6, TargetModules = linear });
        peft.Shake(0.05, seed: 5);
        random.eval();
        peft.SaveGguf(folder["adapter.gguf"]);
        var adapted = LogProbabilities(random);
        peft.Unload();
        random.SaveGguf(folder["base.gguf"], Tokenizer.FromPretrained(Stories), GgufWeights.F32);
        using var runtime = new LlamaCpp(folder["base.gguf"]);
        var original = LogProbabilities(random);
        original.Difference(adapted).ShouldBeGreaterThan(0.05, "the adapter must show");
        runtime.LogProbabilities(Prompt).Difference(original).ShouldBeLessThan(tolerance, "the base");
        using (var again = CausalLM.FromPretrained(folder["base.gguf"])) LogProbabilities(again).Difference(original).ShouldBeLessThan(1e-4, "the file, read again");
        runtime.Apply((folder["adapter.gguf"], 1));
        runtime.LogProbabilities(Prompt).Difference(adapted).ShouldBeLessThan(tolerance, "the adapter");
    }

    [Theory]
    [InlineData("mistral", """{"sliding_window": 8}""")]
    [InlineData("phi3", """{"sliding_window": 8, "pad_token_id": 0}""")]
    [InlineData("qwen2", """{"use_sliding_window": true, "sliding_window": 8, "max_window_layers": 1}""")]
    public void The_context_ends_where_a_window_would_begin_to_hide_positions(string type, string fields)
    {
        using var windowed = CausalLM.FromConfig(Config(type, fields));
        windowed.SaveGguf(folder["windowed.gguf"], tokenizer: null, GgufWeights.F32);
        using var again = CausalLM.FromPretrained(folder["windowed.gguf"]);
        (windowed.Spec.MaxPositions, again.Spec.MaxPositions).ShouldBe((128, 8));
    }

    [Theory]
    [InlineData("gemma2", """{"layer_types": ["full_attention", "sliding_attention"]}""", "sliding windows in 1 of each 2 layers of 'gemma2'")]
    [InlineData("gemma3_text", """{"sliding_window_pattern": 2}""", "sliding windows in 5 of each 6 layers of 'gemma3'")]
    [InlineData("qwen3", """{"attention_bias": true}""", "no biases in the attention")]
    [InlineData("gpt_neox", """{"rotary_pct": 0.3125}""", "5 of a head's 16 dimensions are rotated")]
    public void What_llama_cpp_would_compute_otherwise_is_refused(string type, string fields, string message)
    {
        using var other = CausalLM.FromConfig(Config(type, fields).With("head_dim", 16).With("query_pre_attn_scalar", 16));
        Should.Throw<ExportException>(() => other.SaveGguf(folder["other.gguf"], tokenizer: null)).Message.ShouldContain(message);
        folder.FileNames.ShouldBeEmpty();
    }

    [Fact]
    public void Adapters_are_added_by_their_scales()
    {
        using var peft = model.ApplyLora(rank: 4, alpha: 8);
        peft.Shake(0.05, seed: 5);
        peft.SaveGguf(folder["one.gguf"]);
        peft.Add("other", new LoraOptions { Rank = 2, Alpha = 2 });
        peft.Activate("other");
        peft.Shake(0.05, seed: 5);
        peft.SaveGguf(folder["other.gguf"], adapter: "other");
        peft.Combine("sum", [("default", 0.5), ("other", 2)], new() { Kind = Combination.Cat });
        peft.Activate("sum");
        var expected = LogProbabilities(model);
        peft.Unload();
        using var runtime = new LlamaCpp(BaseFile);
        runtime.Apply((folder["one.gguf"], 0.5f), (folder["other.gguf"], 2));
        runtime.LogProbabilities(Prompt).Difference(expected).ShouldBeLessThan(1e-3);
    }

    // llama.cpp rounds the inputs of products with float16 and blocks as well.
    [Theory]
    [InlineData(GgufWeights.F32, 1e-3)]
    [InlineData(GgufWeights.F16, 0.03)]
    [InlineData(GgufWeights.Q8_0, 0.5)]
    [InlineData(GgufWeights.Q4_K, 1.2)]
    public void A_merged_model_computes_the_same_in_llama_cpp(GgufWeights weights, double tolerance)
    {
        var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, UseDora = true });
        peft.Shake(0.05, seed: 5);
        var expected = LogProbabilities(model);
        Should.Throw<AdaptersAttachedException>(() => model.SaveGguf(folder["merged.gguf"], null));
        peft.MergeAndUnload();
        model.SaveGguf(folder["merged.gguf"], Tokenizer.FromPretrained(Stories), weights);
        using var runtime = new LlamaCpp(folder["merged.gguf"]);
        using var again = CausalLM.FromPretrained(folder["merged.gguf"]);
        runtime.LogProbabilities(Prompt).Difference(LogProbabilities(again)).ShouldBeLessThan(tolerance);
        LogProbabilities(again).Difference(expected).ShouldBeLessThan(2 * tolerance, "what the blocks round");
    }

    [Fact]
    public void The_tokenizer_gives_the_same_tokens_in_llama_cpp()
    {
        using var runtime = new LlamaCpp(BaseFile);
        var tokenizer = Tokenizer.FromPretrained(Stories);
        foreach (var text in new[] { "Once upon a time", "Lily and Tom went to the park.", "  two  spaces", "café naïve 你好", "a\nb\n\nc", "It's  I'll  DON'T", "1234 + 5678" })
            runtime.Tokens(text).ShouldBe(tokenizer.Encode(text), text);
    }

    [Theory]
    [InlineData("DoRA", "Merge the adapter")]
    [InlineData("prefix", "virtual tokens")]
    [InlineData("IA3", "not a low-rank update")]
    [InlineData("head", "shares its weight with the embedding")]
    [InlineData("embedding", "shares its weight with the head")]
    [InlineData("norm", "fully trained modules")]
    [InlineData("full rank", "of a high rank")]
    [InlineData("bias", "has a bias")]
    public void What_llama_cpp_lacks_is_refused(string kind, string message)
    {
        using var peft = model.ApplyAdapter(kind switch
        {
            "DoRA" => new LoraOptions { UseDora = true },
            "prefix" => new PrefixTuningOptions { VirtualTokens = 4 },
            "IA3" => new Ia3Options(),
            "head" => new LoraOptions { TargetModules = ModuleSelector.Create(["lm_head"]) },
            "embedding" => new LoraOptions { TargetModules = ModuleSelector.Create(["embed_tokens", "q_proj"]) },
            "norm" => new LoraOptions { ModulesToSave = ["norm"] },
            "full rank" => new C3aOptions { BlockSize = 4 },
            _ => (AdapterOptions)new LoraOptions { UseLoraBias = true },
        });
        peft.Shake(0.05, seed: 5);
        var error = Should.Throw<ExportException>(() => peft.SaveGguf(folder["adapter.gguf"]));
        error.Message.ShouldContain(message);
        File.Exists(folder["adapter.gguf"]).ShouldBeFalse();
    }

    [Fact]
    public void A_model_that_llama_cpp_does_not_know_is_refused()
    {
        using var classifier = SequenceClassifier.FromPretrained(Stories, new LoadOptions { LabelCount = 2 });
        Should.Throw<ExportException>(() => classifier.SaveGguf(folder["c.gguf"], null)).Message.ShouldContain("has a head");
        using var peft = model.ApplyLora();
        peft.Activate();
        Should.Throw<ExportException>(() => peft.SaveGguf(folder["a.gguf"])).Message.ShouldContain("No adapter is active: name the one to export (default)");
        Should.Throw<AdapterNotFoundException>(() => peft.SaveGguf(folder["a.gguf"], adapter: "other"));
    }

    private static float[][] LogProbabilities(CausalLM model) => LogProbabilities(model, Prompt);

    internal static float[][] LogProbabilities(CausalLM model, int[] tokens)
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        var values = model.call(tensor(tokens.Select(id => (long)id).ToArray()).unsqueeze(0))[0].log_softmax(-1);
        return [.. Enumerable.Range(0, tokens.Length).Select(i => values[i].data<float>().ToArray())];
    }
}
