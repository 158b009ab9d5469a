using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>What scaled rotary embeddings mean for whole models: identities that hold whatever the weights are.</summary>
public class ScaledModelTests
{
    // Float32 sums in another order, angles that are computed on two ways.
    private const double Tolerance = 2e-5;

    public static TheoryData<string> Rotary => ["llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3", "gpt-neox", "phi3"];

    private static ModelConfig Base(string name) => ModelConfig.FromFolder(Reference.Folder(name)).With("initializer_range", 0.3);

    // Phi-3 has LongRoPE alone.
    private static ModelConfig With(ModelConfig config, string rope)
    {
        if (config.ModelType == "gemma3_text")
        {
            var both = new JsonObject();
            foreach (var (layer, theta) in new[] { ("full_attention", 1e6), ("sliding_attention", 1e4) })
            {
                both[layer] = JsonNode.Parse(rope);
                both[layer]!["rope_theta"] = theta;
            }
            return config.With("rope_parameters", both);
        }
        var scaling = JsonNode.Parse(rope)!.AsObject();
        if (config["rope_parameters"]!["partial_rotary_factor"]?.GetValue<double>() is { } part) scaling["partial_rotary_factor"] = part;
        return config.With("rope_parameters", scaling);
    }

    private static Tensor Ids(int count) => arange(3, 3 + count, ScalarType.Int64).remainder(90).unsqueeze(0);

    private static Tensor Positions(int count, int step) => arange(0, count * step, step, ScalarType.Int64).unsqueeze(0);

    [Theory, MemberData(nameof(Rotary))]
    public void Positions_divided_by_the_factor_are_the_positions_between(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Base(name);
        var pairs = config.ModelType == "phi3" ? 4 : 1;
        var factors = string.Join(", ", Enumerable.Repeat("4", pairs));
        using var plain = CausalLM.FromConfig(config);
        using var scaled = CausalLM.FromConfig(With(config, config.ModelType == "phi3"
            ? $$"""{ "type": "longrope", "short_factor": [{{factors}}], "long_factor": [{{factors}}], "attention_factor": 1 }"""
            : """{ "type": "linear", "factor": 4 }"""));

        var expected = plain.forward(new ModelInput { InputIds = Ids(7), PositionIds = Positions(7, 1) });
        scaled.forward(new ModelInput { InputIds = Ids(7), PositionIds = Positions(7, 4) }).Difference(expected).ShouldBeLessThan(Tolerance);
        scaled.forward(new ModelInput { InputIds = Ids(7), PositionIds = Positions(7, 1) }).Difference(expected).ShouldBeGreaterThan(1e-3);
    }

    [Theory, MemberData(nameof(Rotary))]
    public void A_text_beyond_the_positions_has_the_base_that_dynamic_scaling_gives_it(string name)
    {
        if (name == "phi3")
        {
            Should.Throw<UnsupportedModelException>(() => CausalLM.FromConfig(With(Base(name), """{ "type": "dynamic", "factor": 2 }"""))).Message.ShouldContain("rope_parameters");
            return;
        }
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        var config = Base(name).With("max_position_embeddings", 16).With("sliding_window", 100);
        if (name == "gpt-neox") config = config.With("hidden_size", 64);   // of 16 dimensions a quarter rotates: 2 would leave nothing to scale
        using var dynamic = CausalLM.FromConfig(With(config, """{ "type": "dynamic", "factor": 2 }"""));
        var rotated = (int)(dynamic.Spec.HeadSize * dynamic.Spec.Rotary!.RotatedFraction);
        var growth = Math.Pow((2.0 * 24 / 16) - 1, rotated / (rotated - 2.0));
        using var larger = CausalLM.FromConfig(Larger(config, growth));
        using var plain = CausalLM.FromConfig(config);

        var expected = larger.forward(Ids(24));
        dynamic.forward(Ids(16)).Difference(plain.forward(Ids(16))).ShouldBeLessThan(Tolerance);
        dynamic.forward(Ids(24)).Difference(expected).ShouldBeLessThan(Tolerance);
        dynamic.forward(Ids(20)).Difference(larger.forward(Ids(20))).ShouldBeLessThan(Tolerance, "the longest text decides");
        dynamic.forward(Ids(15)).Difference(plain.forward(Ids(15))).ShouldBeLessThan(Tolerance, "a short text starts anew");
        using var cache = new KeyValueCache();
        dynamic.forward(new ModelInput { InputIds = Ids(24), Cache = cache }).Difference(expected).ShouldBeLessThan(Tolerance);
    }

    private static ModelConfig Larger(ModelConfig config, double growth)
    {
        var rope = config["rope_parameters"]!.DeepClone().AsObject();
        foreach (var each in rope.Select(pair => pair.Value).OfType<JsonObject>().DefaultIfEmpty(rope)) each["rope_theta"] = each["rope_theta"]!.GetValue<double>() * growth;
        return config.With("rope_parameters", rope);
    }

    [Fact]
    public void The_attention_factor_scales_the_scores_by_its_square()
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var plain = CausalLM.FromConfig(Base("llama"));
        using var scaled = CausalLM.FromConfig(With(Base("llama"), """{ "type": "yarn", "factor": 1, "attention_factor": 1.5 }"""));
        scaled.forward(Ids(9)).Difference(plain.forward(Ids(9))).ShouldBeGreaterThan(1e-3);
        foreach (var (name, weight) in plain.named_parameters())
            if (name.EndsWith("q_proj.weight", StringComparison.Ordinal)) weight.mul_(1.5 * 1.5);
        scaled.forward(Ids(9)).Difference(plain.forward(Ids(9))).ShouldBeLessThan(Tolerance);
    }

    [Fact]
    public void A_layer_type_has_a_scaling_of_its_own()
    {
        RotaryScaling? Scaling(string rope, bool window)
        {
            var spec = new ModelRegistry().Describe(Base("gemma3").With("rope_parameters", JsonNode.Parse(rope)));
            return (window ? spec.WindowRotary : spec.Rotary)!.Scaling;
        }
        const string rope = """{ "full_attention": { "rope_type": "linear", "factor": 8 }, "sliding_attention": { "rope_type": "yarn", "factor": 2, "rope_theta": 500 } }""";
        Scaling(rope, window: false).ShouldBe(new LinearScaling(8));
        Scaling(rope, window: true).ShouldBe(new YarnScaling(2, 64));
        Scaling("""{ "full_attention": null }""", window: false).ShouldBeNull();

        // The older spelling is for the layers that see everything.
        var older = new ModelRegistry().Describe(Base("gemma3").Without("rope_parameters").With("rope_theta", 777.0).With("rope_local_base_freq", 55.0)
            .With("rope_scaling", JsonNode.Parse("""{ "rope_type": "linear", "factor": 8 }""")));
        older.Rotary.ShouldBe(new RotarySettings(777) { Scaling = new LinearScaling(8) });
        older.WindowRotary.ShouldBe(new RotarySettings(55));
        new ModelRegistry().Describe(Base("gemma3").Without("rope_parameters")).Rotary.ShouldBe(new RotarySettings(1e6));

        Should.Throw<UnsupportedModelException>(() => Scaling("""{ "rope_type": "linear", "factor": 8 }""", window: false)).Message.ShouldContain("full_attention");
    }

    [Theory]
    [InlineData("su")]
    [InlineData("yarn")]
    [InlineData("longrope")]
    public void Early_names_of_longrope_are_read(string kind)
    {
        var config = ModelConfig.FromFolder(Reference.Folder("phi3")).Without("rope_parameters").Without("original_max_position_embeddings")
            .With("max_position_embeddings", 131072).With("rope_scaling", JsonNode.Parse($$"""{ "type": "{{kind}}", "short_factor": [1, 1, 1, 1], "long_factor": [2, 2, 2, 2] }"""));
        var scaling = new ModelRegistry().Describe(config).Rotary!.Scaling.ShouldBeOfType<LongRopeScaling>();
        scaling.OriginalPositions.ShouldBe(4096);
        scaling.AttentionFactor.ShouldBe(Math.Sqrt(1 + (Math.Log(32) / Math.Log(4096))), 1e-12);
    }

    public static TheoryData<string> LongRopeModels => ["phi3", "llama"];

    private static CausalLM LongRope(string name) => CausalLM.FromConfig(With(Base(name).With("initializer_range", 0.6).With("original_max_position_embeddings", 12), """
        { "type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [2, 3, 5, 7] }
        """), seed: 5);

    [Theory, MemberData(nameof(LongRopeModels))]
    public void Texts_that_outgrow_the_original_positions_continue_as_without_a_cache(string name)
    {
        using var model = LongRope(name);
        IReadOnlyList<int>[] prompts = [[5, 17, 40, 8, 33, 2, 9], [9, 60], [44, 12, 7, 71, 3, 80, 21, 90, 4, 6, 8, 10, 12, 14]];
        var options = new GenerationOptions { DoSample = false, MaxNewTokens = 16, EndTokenIds = [] };
        foreach (var prompt in prompts) model.Generate(prompt, options).ShouldBe(TinyModels.Greedy(model, prompt, 16));
    }

    [Fact]
    public void Beams_that_outgrow_the_original_positions_score_as_without_a_cache()
    {
        using var model = LongRope("phi3");
        int[] prompt = [5, 17, 40, 8, 33, 2, 9];
        var found = model.BeamSearch([prompt], new GenerationOptions { NumBeams = 3, NumReturnSequences = 3, MaxNewTokens = 9, EndTokenIds = [], LengthPenalty = 0 })[0];
        foreach (var hypothesis in found)
        {
            // Each step's score comes from the frequencies that a text of its length has.
            var score = 0.0;
            for (var i = 0; i < hypothesis.Tokens.Count; i++) score += TinyModels.Next(model, prompt, [.. hypothesis.Tokens.Take(i)])[hypothesis.Tokens[i]];
            hypothesis.Score.ShouldBe(score, 1e-3);
        }
    }
}
