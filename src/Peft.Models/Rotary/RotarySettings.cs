using System.Text.Json.Nodes;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Settings of the rotary position embedding (Su et al. 2021, arXiv:2104.09864) of one layer type.</summary>
/// <param name="Base">The base θ: wavelengths range from 2π to 2πθ.</param>
public sealed record RotarySettings(double Base)
{
    /// <summary>Scaling of the frequencies for longer sequences; null for none.</summary>
    public RotaryScaling? Scaling { get; init; }

    /// <summary>True if the pairs (0, 1), (2, 3), … of a head's dimensions are rotated (GPT-J), instead of (0, d/2), (1, d/2 + 1), …</summary>
    public bool IsInterleaved { get; init; }

    /// <summary>Fraction of a head's dimensions that are rotated.</summary>
    public double RotatedFraction { get; init; } = 1;

    /// <summary>Number of a head's dimensions that are rotated, in pairs. An odd number is rounded up, as in transformers.</summary>
    internal int Rotated(int headSize) => ((int)(headSize * RotatedFraction) + 1) / 2 * 2;

    /// <summary>The exponents 2i/d of the frequencies, <c>[rotated / 2]</c>, in float32. d is not rounded up.</summary>
    internal Tensor Exponents(int headSize, Device device)
    {
        using var indices = arange(Constant(0), Constant(Rotated(headSize)), Constant(2), ScalarType.Int64, device);
        using var wide = indices.to_type(ScalarType.Float32);
        return wide.div(Constant((int)(headSize * RotatedFraction)));
    }

    /// <summary>The frequencies for a regime of <see cref="RotaryScaling.Regime"/>.</summary>
    internal Tensor Frequencies(Tensor exponents, long regime)
        => Scaling?.Frequencies(Base, exponents, regime) ?? tensor((float)Base, device: exponents.device).pow(exponents).reciprocal();

    /// <summary>
    /// Reads the settings in both formats: <c>rope_parameters</c> (nested by layer type for models with two), or
    /// <c>rope_theta</c> with <c>rope_scaling</c>. Values of its <c>rope_type</c> or <c>type</c> are default, linear, dynamic, yarn, longrope (su) and llama3.
    /// </summary>
    /// <param name="config">The configuration.</param>
    /// <param name="layerType">Key of the nested form, such as <c>sliding_attention</c>; null if all layers share the settings.</param>
    /// <param name="defaultBase">Default of θ.</param>
    /// <param name="defaultPartial">Default fraction of rotated dimensions.</param>
    /// <param name="defaultPositions">Default of <c>max_position_embeddings</c>.</param>
    /// <exception cref="UnsupportedModelException">The type of scaling is not implemented.</exception>
    /// <exception cref="ModelFolderException">A field of the scaling is missing or invalid.</exception>
    public static RotarySettings Read(ModelConfig config, string? layerType = null, double defaultBase = 10000, double defaultPartial = 1, int defaultPositions = 2048)
    {
        ArgumentNullException.ThrowIfNull(config);
        var source = config.Object("rope_scaling") is { Count: > 0 } ? "rope_scaling" : "rope_parameters";
        var rope = config.Object(source);
        if (layerType is not null) (rope, source) = (OfLayer(config, layerType), $"rope_parameters.{layerType}");
        else if (rope?.FirstOrDefault(pair => pair.Value is JsonObject) is { Key: { } nested })
            throw new UnsupportedModelException($"{config.Source}: {source} has an entry for {nested}, but the layers of model_type '{config.ModelType}' share one rotary embedding.");
        var fields = new RopeFields(config, source, rope ?? []);
        return new(fields.Number("rope_theta") ?? config.Number("rope_theta", defaultBase))
        {
            RotatedFraction = fields.Number("partial_rotary_factor") ?? config.Number("partial_rotary_factor", defaultPartial),
            Scaling = fields.Scaling(config.Size("max_position_embeddings", defaultPositions)),
        };
    }

    // As in transformers, the older rope_scaling is merged into the settings of layers with full attention.
    private static JsonObject OfLayer(ModelConfig config, string layerType)
    {
        var rope = config.Object("rope_parameters");
        // If no layer has one of the types, transformers writes fields of the flat form next to the nested ones.
        if (rope?[layerType] is not JsonObject && rope?.Any(pair => pair.Value is not (JsonObject or null)) == true)
            throw new UnsupportedModelException($"{config.Source}: rope_parameters of model_type '{config.ModelType}' must be nested by layer type: full_attention and sliding_attention.");
        var result = rope?[layerType]?.DeepClone().AsObject() ?? [];
        if (layerType != "full_attention" || config.Object("rope_scaling") is not { } older) return result;
        foreach (var (name, value) in older) result[name] = value?.DeepClone();
        if (older["type"] is { } kind && older["rope_type"] is null) result["rope_type"] = kind.DeepClone();
        return result;
    }
}
