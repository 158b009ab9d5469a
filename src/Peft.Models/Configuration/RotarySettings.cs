using System.Text.Json.Nodes;

namespace Peft.Models;

/// <summary>Rotary position embedding (Su et al. 2021, arXiv:2104.09864) of one kind of layer.</summary>
/// <param name="Base">θ: the wavelengths run from 2π to 2πθ.</param>
public sealed record RotarySettings(double Base)
{
    /// <summary>Linear scaling: positions are divided by it (1: none).</summary>
    public double Factor { get; init; } = 1;

    /// <summary>Llama 3.1's scaling of the long wavelengths only; null for none.</summary>
    public Llama3Scaling? Llama3 { get; init; }

    /// <summary>Share of a head's dimensions that rotate.</summary>
    public double Partial { get; init; } = 1;

    /// <summary>Llama 3.1's scaling: wavelengths above original/low are divided by the factor, those below original/high kept, between them blended.</summary>
    public sealed record Llama3Scaling(double Factor, double LowFrequency, double HighFrequency, double OriginalPositions);

    /// <summary>
    /// Reads the settings in both spellings: <c>rope_parameters</c> (nested by layer type where a model has two), or
    /// <c>rope_theta</c> with <c>rope_scaling</c>.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="layerType">Key of the nested form, such as <c>sliding_attention</c>; null if the model has one kind only.</param>
    /// <param name="defaultBase">θ if the file gives none.</param>
    /// <param name="defaultPartial">Share of rotating dimensions if the file gives none.</param>
    /// <exception cref="UnsupportedModelException">The scaling is of a kind that is not implemented.</exception>
    public static RotarySettings Read(ModelConfig config, string? layerType = null, double defaultBase = 10000, double defaultPartial = 1)
    {
        ArgumentNullException.ThrowIfNull(config);
        var source = config.Object("rope_parameters") is not null ? "rope_parameters" : "rope_scaling";
        var rope = config.Object(source);
        if (layerType is not null && rope?[layerType] is JsonObject nested) rope = nested;

        double Get(string name, double fallback) => rope?[name] is JsonValue value && value.TryGetValue<double>(out var number) ? number : fallback;
        double Need(string name) => rope?[name] is JsonValue value && value.TryGetValue<double>(out var number)
            ? number
            : throw new ModelFolderException($"{config.Source}: {source} lacks {name}, which its rope_type needs.");

        var settings = new RotarySettings(Get("rope_theta", config.Number("rope_theta", config.Number("rotary_emb_base", defaultBase))))
        {
            Partial = Get("partial_rotary_factor", config.Number("partial_rotary_factor", config.Number("rotary_pct", defaultPartial))),
        };
        var kind = (rope?["rope_type"] ?? rope?["type"])?.ToString() ?? "default";
        switch (kind)
        {
            case "default":
                return settings;
            case "linear":
                return settings with { Factor = Need("factor") };
            case "llama3":
                return settings with
                {
                    Llama3 = new(Need("factor"), Need("low_freq_factor"), Need("high_freq_factor"), Need("original_max_position_embeddings")),
                };
            default:
                throw new UnsupportedModelException(
                    $"{config.Source}: rope_type '{kind}' is not implemented; implemented are default, linear and llama3. "
                    + "Running the model without it would give wrong numbers.");
        }
    }
}
