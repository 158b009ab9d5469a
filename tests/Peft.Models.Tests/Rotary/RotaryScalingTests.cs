using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Frequencies and factors of every kind of scaling, against numbers worked out in double precision by the papers' formulas.</summary>
public class RotaryScalingTests
{
    private static ModelConfig Config(string rope, string more = "")
        => ModelConfig.Parse($$"""{ "model_type": "llama", "max_position_embeddings": 64, "rope_theta": 10000 {{(more.Length > 0 ? ", " + more : "")}}, "rope_scaling": {{rope}} }""");

    private static RotarySettings Read(string rope, string more = "") => RotarySettings.Read(Config(rope, more));

    private static double[] Frequencies(RotarySettings settings, int rotated, long length)
    {
        using var scope = NewDisposeScope();
        var exponents = arange(0, rotated, 2, ScalarType.Float32).div(rotated);
        return [.. settings.Frequencies(exponents, settings.Scaling?.Regime(length, 0) ?? 0).data<float>().Select(each => (double)each)];
    }

    private static void ShouldBe(double[] actual, params double[] expected)
    {
        actual.Length.ShouldBe(expected.Length);
        for (var i = 0; i < actual.Length; i++) (actual[i] / expected[i]).ShouldBe(1, 2e-6, $"frequency {i}");   // float32 powers
    }

    public static TheoryData<string, int, long, double[]> Cases => new()
    {
        { """{ "rope_type": "default" }""", 8, 500, [1, 0.1, 0.01, 0.001] },
        { """{ "type": "linear", "factor": 4 }""", 8, 500, [0.25, 0.025, 0.0025, 0.00025] },
        // θ·(2·n/64 − 1)^(8/6) for n above 64
        { """{ "type": "dynamic", "factor": 2 }""", 8, 64, [1, 0.1, 0.01, 0.001] },
        { """{ "rope_type": "dynamic", "factor": 2 }""", 8, 100, [1, 0.0777822237, 0.00605007433, 0.000470588235] },
        { """{ "rope_type": "dynamic", "factor": 2.0 }""", 8, 160, [1, 0.0629960525, 0.00396850263, 0.00025] },
        // The ramp runs from ⌊16·ln(256/64π)/2ln θ⌋ = 0 to ⌈16·ln(256/2π)/2ln θ⌉ = 4.
        { """{ "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 256 }""", 16, 500, [1, 0.25693506, 0.0625, 0.0138349648, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05] },
        { """{ "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 256, "truncate": false }""", 16, 500, [1, 0.253972314, 0.0553986366, 0.00963994285, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05] },
        { """{ "rope_type": "yarn", "factor": 4, "original_max_position_embeddings": 256, "beta_fast": 8, "beta_slow": 2 }""", 16, 500, [1, 0.316227766, 0.0625, 0.00790569415, 0.0025, 0.000790569415, 0.00025, 7.90569415e-05] },
        { """{ "rope_type": "longrope", "short_factor": [1, 1.1, 1.2, 1.3], "long_factor": [1, 2, 4, 8], "original_max_position_embeddings": 32 }""", 8, 32, [1, 0.0909090909, 0.00833333333, 0.000769230769] },
        { """{ "type": "su", "short_factor": [1, 1.1, 1.2, 1.3], "long_factor": [1, 2, 4, 8], "original_max_position_embeddings": 32 }""", 8, 33, [1, 0.05, 0.0025, 0.000125] },
    };

    [Theory, MemberData(nameof(Cases))]
    public void Frequencies_follow_the_formula(string rope, int rotated, long length, double[] expected) => ShouldBe(Frequencies(Read(rope), rotated, length), expected);

    [Fact]
    public void Llama_3_blends_between_the_wavelengths()
    {
        // Wavelengths 32, 167, 868 and more, of which those above 1024 grow eightfold and those from 256 to 1024 in part.
        var settings = Read("""{ "rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4, "original_max_position_embeddings": 1024, "rope_theta": 500000 }""");
        ShouldBe(Frequencies(settings, 16, 500), 1, 0.193922745, 0.0376060309, 0.00131256935, 0.000176776695, 3.4281022e-05, 6.64786987e-06, 1.28917317e-06);
    }

    [Theory]
    [InlineData("""{ "type": "linear", "factor": 4 }""", 1)]
    [InlineData("""{ "type": "dynamic", "factor": 4 }""", 1)]
    [InlineData("""{ "type": "llama3", "factor": 4, "low_freq_factor": 1, "high_freq_factor": 4 }""", 1)]
    [InlineData("""{ "type": "yarn", "factor": 4 }""", 1.138629436111989)]                                              // 0.1·ln 4 + 1
    [InlineData("""{ "type": "yarn", "factor": 1 }""", 1)]
    [InlineData("""{ "type": "yarn", "factor": null, "original_max_position_embeddings": 8 }""", 1.2079441541679836)]   // 0.1·ln(64/8) + 1
    [InlineData("""{ "type": "yarn", "factor": 4, "mscale": 0.707, "mscale_all_dim": 0.5 }""", 1.0268361529030026)]     // (0.0707·ln 4 + 1)/(0.05·ln 4 + 1)
    [InlineData("""{ "type": "yarn", "factor": 4, "mscale": 0.707 }""", 1.138629436111989)]
    [InlineData("""{ "type": "yarn", "factor": 4, "mscale": 0.707, "mscale_all_dim": 0.5, "attention_factor": 1.5 }""", 1.5)]
    [InlineData("""{ "type": "longrope", "short_factor": [1], "long_factor": [1] }""", 1)]
    [InlineData("""{ "type": "longrope", "short_factor": [1], "long_factor": [1], "original_max_position_embeddings": 8 }""", 1.4142135623730951)]   // √(1 + ln 8/ln 8)
    [InlineData("""{ "type": "longrope", "short_factor": [1], "long_factor": [1], "factor": 3 }""", 1.1243488857053487)]                             // √(1 + ln 3/ln 64)
    [InlineData("""{ "type": "longrope", "short_factor": [1], "long_factor": [1], "factor": 3, "attention_factor": 1.25 }""", 1.25)]
    public void The_attention_factor_follows_from_what_is_given(string rope, double expected) => Read(rope).Scaling!.AttentionFactor.ShouldBe(expected, 1e-12);

    [Fact]
    public void Original_positions_beside_the_scaling_go_before_those_in_it()
    {
        const string rope = """{ "type": "yarn", "factor": 2, "original_max_position_embeddings": 16 }""";
        ((YarnScaling)Read(rope).Scaling!).OriginalPositions.ShouldBe(16);
        ((YarnScaling)Read(rope, "\"original_max_position_embeddings\": 32").Scaling!).OriginalPositions.ShouldBe(32);
        ((YarnScaling)Read("""{ "type": "yarn", "factor": 2 }""").Scaling!).OriginalPositions.ShouldBe(64);
    }

    [Fact]
    public void Both_spellings_mean_the_same()
    {
        var older = Config("""{ "type": "linear", "factor": 4 }""").With("rope_theta", 5000.0).With("partial_rotary_factor", 0.5);
        var newer = ModelConfig.Parse("""{ "model_type": "llama", "rope_parameters": { "rope_type": "linear", "factor": 4, "rope_theta": 5000, "partial_rotary_factor": 0.5 } }""");
        RotarySettings.Read(older).ShouldBe(RotarySettings.Read(newer));
        RotarySettings.Read(older).ShouldBe(new RotarySettings(5000) { RotatedFraction = 0.5, Scaling = new LinearScaling(4) });
    }

    [Theory]
    [InlineData("""{ "rope_type": "spiral" }""", "spiral")]
    [InlineData("""{ "type": "mrope", "mrope_section": [1, 1] }""", "mrope")]
    [InlineData("""{ "full_attention": { "rope_type": "default" } }""", "full_attention")]
    public void Kinds_that_are_not_known_are_refused_by_name(string rope, string name)
        => Should.Throw<UnsupportedModelException>(() => Read(rope)).Message.ShouldContain(name);

    [Theory]
    [InlineData("""{ "type": "linear" }""", "factor")]
    [InlineData("""{ "type": "linear", "factor": "two" }""", "factor")]
    [InlineData("""{ "type": "linear", "factor": 0.5 }""", "factor")]
    [InlineData("""{ "type": "dynamic" }""", "factor")]
    [InlineData("""{ "type": "yarn" }""", "factor")]
    [InlineData("""{ "type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 4 }""", "beta_fast")]
    [InlineData("""{ "type": "yarn", "factor": 2, "beta_slow": -1 }""", "beta_slow")]
    [InlineData("""{ "type": "yarn", "factor": 2, "attention_factor": -1 }""", "attention_factor")]
    [InlineData("""{ "type": "yarn", "factor": 2, "mscale": [] }""", "mscale")]
    [InlineData("""{ "type": "yarn", "factor": 2, "truncate": "no" }""", "truncate")]
    [InlineData("""{ "type": "yarn", "factor": 2, "original_max_position_embeddings": 0.5 }""", "original_max_position_embeddings")]
    [InlineData("""{ "type": "longrope", "long_factor": [1] }""", "short_factor")]
    [InlineData("""{ "type": "longrope", "short_factor": [1] }""", "long_factor")]
    [InlineData("""{ "type": "longrope", "short_factor": [1, "a"], "long_factor": [1, 1] }""", "short_factor")]
    [InlineData("""{ "type": "longrope", "short_factor": 2, "long_factor": [1, 1] }""", "short_factor")]
    [InlineData("""{ "type": "llama3", "factor": 8, "high_freq_factor": 4 }""", "low_freq_factor")]
    [InlineData("""{ "type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4 }""", "high_freq_factor")]
    public void Fields_that_are_missing_or_no_such_value_are_refused_by_name(string rope, string field)
        => Should.Throw<ModelFolderException>(() => Read(rope)).Message.ShouldContain(field);

    [Theory]
    [InlineData("""{ "type": "longrope", "short_factor": [1, 1], "long_factor": [1, 1, 1, 1] }""", 8, "short_factor")]
    [InlineData("""{ "type": "longrope", "short_factor": [1, 1, 1, 1], "long_factor": [1, 1, 1] }""", 8, "long_factor")]
    [InlineData("""{ "type": "dynamic", "factor": 2 }""", 2, "dynamic")]
    public void Scaling_that_does_not_fit_the_heads_is_refused(string rope, int headSize, string name)
        => Should.Throw<UnsupportedModelException>(() => new RotaryTable(Read(rope), headSize)).Message.ShouldContain(name);

    [Fact]
    public void Dynamic_frequencies_follow_the_longest_pass_until_one_is_short()
    {
        using var scope = NewDisposeScope();
        using var table = new RotaryTable(Read("""{ "type": "dynamic", "factor": 2 }"""), 8);
        // (start, length) of each pass, as a cache makes them, and the length that decides.
        foreach (var (start, length, decisive) in new[] { (0, 10, 64), (10, 54, 64), (64, 36, 100), (100, 1, 101), (30, 40, 101), (0, 64, 101), (0, 63, 64), (63, 1, 64), (0, 80, 80) })
        {
            var theta = 10000 * Math.Pow((2.0 * decisive / 64) - 1, 8.0 / 6);
            var expected = Enumerable.Range(start, length).SelectMany(p => Enumerable.Range(0, 8).Select(i => (float)Math.Cos(p * Math.Pow(theta, -(i % 4) / 4.0)))).ToArray();
            var about = $"{start}+{length}";
            table.Slice(start, length, ScalarType.Float32, CPU).Cosine.Difference(tensor(expected, [length, 1, 8])).ShouldBeLessThan(2e-5, about);   // float32 angles up to 100
        }
    }

    [Fact]
    public void Positions_of_padded_rows_count_as_far_as_they_go()
    {
        using var scope = NewDisposeScope();
        using var table = new RotaryTable(Read("""{ "type": "longrope", "short_factor": [2, 2], "long_factor": [4, 4], "original_max_position_embeddings": 8, "attention_factor": 1.5 }"""), 4);
        var row = tensor(new long[] { 0, 0, 3, 7 }, [1, 4]);

        var within = table.Pick(row, limit: 12, ScalarType.Float32, CPU);   // a padded input of 12, none of whose tokens stands beyond 7
        within.Cosine[0, 3, 0, 0].item<float>().ShouldBe((float)(1.5 * Math.Cos(7 / 2.0)), 1e-5);
        within.SignedSine[0, 3, 0, 0].item<float>().ShouldBe((float)(-1.5 * Math.Sin(7 / 2.0)), 1e-5);
        within.SignedSine[0, 3, 0, 2].item<float>().ShouldBe((float)(1.5 * Math.Sin(7 / 2.0)), 1e-5);

        var beyond = table.Pick(row.add(1), limit: 12, ScalarType.Float32, CPU);
        beyond.Cosine[0, 3, 0, 0].item<float>().ShouldBe((float)(1.5 * Math.Cos(8 / 4.0)), 1e-5);
    }
}
