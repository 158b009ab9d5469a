using System.Globalization;
using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>The fields of <c>rope_parameters</c> or <c>rope_scaling</c>.</summary>
/// <param name="config">The configuration.</param>
/// <param name="source">Path of the fields, for messages.</param>
/// <param name="rope">The fields.</param>
internal sealed class RopeFields(ModelConfig config, string source, JsonObject rope)
{
    private string Kind => (rope["rope_type"] ?? rope["type"])?.ToString() ?? "default";

    /// <summary>A number; null if it is missing.</summary>
    public double? Number(string name) => rope[name] switch
    {
        null => null,
        JsonValue value when value.TryGetValue<double>(out var number) && double.IsFinite(number) => number,
        _ => throw Wrong(name, "a number"),
    };

    /// <summary>The scaling of the fields; null for none.</summary>
    /// <param name="positions"><c>max_position_embeddings</c>.</param>
    public RotaryScaling? Scaling(int positions)
    {
        switch (Kind)
        {
            case "default":
                return null;
            case "linear":
                return new LinearScaling(Factor());
            case "dynamic":
                return new DynamicScaling(Factor(), positions);
            case "llama3":
                var (low, high) = (Positive(Need("low_freq_factor"), "low_freq_factor"), Positive(Need("high_freq_factor"), "high_freq_factor"));
                if (high <= low) throw Wrong("high_freq_factor", $"larger than low_freq_factor, {Text(low)}");
                return new Llama3Scaling(Factor(), low, high, Original(positions));
            case "yarn":
                return Yarn(positions);
            case "longrope" or "su":
                var original = Original(positions);
                return new LongRopeScaling(Numbers("short_factor"), Numbers("long_factor"), original, Number("factor") is null ? (double)positions / original : Factor())
                {
                    GivenAttentionFactor = AttentionFactor(),
                };
            default:
                throw new UnsupportedModelException(
                    $"{config.Source}: rope_type '{Kind}' is not implemented; implemented are default, linear, dynamic, yarn, longrope and llama3. "
                    + "Running the model without it would give wrong results.");
        }
    }

    private YarnScaling Yarn(int positions)
    {
        var original = Original(positions);
        var (fast, slow) = (Above("beta_fast", 32), Above("beta_slow", 1));
        if (fast < slow) throw Wrong("beta_fast", $"at least beta_slow, {Text(slow)}");
        return new(rope.ContainsKey("factor") && rope["factor"] is null ? (double)positions / original : Factor(), original)
        {
            BetaFast = fast, BetaSlow = slow, GivenAttentionFactor = AttentionFactor(),
            Scale = Number("mscale"), ScaleAllDimensions = Number("mscale_all_dim"),
            Truncate = rope["truncate"] switch
            {
                null => true,
                JsonValue value when value.TryGetValue<bool>(out var flag) => flag,
                _ => throw Wrong("truncate", "true or false"),
            },
        };

        // Null and 0 mean the default.
        double Above(string name, double fallback) => Number(name) is { } given && given != 0 ? Positive(given, name) : fallback;
    }

    // The field next to max_position_embeddings (Phi-3) takes precedence over that of the scaling.
    private int Original(int positions)
    {
        const string name = "original_max_position_embeddings";
        if (config.Has(name)) return config.Size(name);
        var given = Number(name) ?? positions;
        return given >= 2 && given == Math.Floor(given) && given <= int.MaxValue ? (int)given : throw Wrong(name, "an integer above 1");
    }

    private double Factor() => Need("factor") is >= 1 and var factor ? factor : throw Wrong("factor", "at least 1");

    private double? AttentionFactor() => Number("attention_factor") is { } given ? Positive(given, "attention_factor") : null;

    private double Need(string name) => Number(name) ?? throw new ModelFolderException($"{config.Source}: {source} lacks {name}, which rope_type '{Kind}' requires.");

    private double Positive(double value, string name) => value > 0 ? value : throw Wrong(name, "above 0");

    private double[] Numbers(string name) => rope[name] switch
    {
        null => throw new ModelFolderException($"{config.Source}: {source} lacks {name}, which rope_type '{Kind}' requires."),
        JsonArray values => [.. values.Select(value => value is JsonValue each && each.TryGetValue<double>(out var number) && number > 0 ? number : throw Wrong(name, "a list of numbers above 0"))],
        _ => throw Wrong(name, "a list of numbers above 0"),
    };

    private ModelFolderException Wrong(string name, string kind) => new($"{config.Source}: {source}.{name} must be {kind}, but is {rope[name]?.ToJsonString() ?? "null"}.");

    private static string Text(double value) => value.ToString(CultureInfo.InvariantCulture);
}
