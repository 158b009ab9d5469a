using System.Diagnostics.CodeAnalysis;
using System.Text.Json;

namespace Peft;

/// <summary>Width of the model divided by the width of a bottleneck, for all layers or by layer.</summary>
[JsonConverter(typeof(FactorConverter))]
[TypeConverter(typeof(TextConverter<ReductionFactor>))]
[SuppressMessage("Naming", "CA1710", Justification = "A collection to configuration binders only.")]
public sealed class ReductionFactor : BoundMap<double>
{
    private IReadOnlyDictionary<string, double>? byLayer;
    private readonly double factor;

    /// <summary>A factor per layer, keyed by the layer's index as text; <c>default</c> applies to the other layers.</summary>
    public ReductionFactor(IReadOnlyDictionary<string, double> byLayer) => this.byLayer = byLayer;

    private ReductionFactor(double factor) => this.factor = factor;

    /// <summary>One factor for all layers.</summary>
    public static implicit operator ReductionFactor(double factor) => new(factor);

    /// <summary>All factors.</summary>
    public IEnumerable<double> All => byLayer?.Values ?? [factor];

    /// <summary>The factor of a layer; null if the mapping has neither the layer nor <c>default</c>.</summary>
    public double? At(int? layer) => byLayer is null ? factor
        : layer is { } number && byLayer.TryGetValue(number.ToString(System.Globalization.CultureInfo.InvariantCulture), out var own) ? own
        : byLayer.TryGetValue("default", out var common) ? common : null;

    public override string ToString() => byLayer is null ? factor.ToString(System.Globalization.CultureInfo.InvariantCulture) : $"[{string.Join(", ", byLayer.Select(pair => $"{pair.Key}: {pair.Value}"))}]";

    protected override void Bind(string key, double value) => byLayer = new Dictionary<string, double>(byLayer ?? new Dictionary<string, double>()) { [key] = value };

    private sealed class FactorConverter : JsonConverter<ReductionFactor>
    {
        public override ReductionFactor Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
            => reader.TokenType == JsonTokenType.Number ? reader.GetDouble() : new ReductionFactor(JsonSerializer.Deserialize<Dictionary<string, double>>(ref reader, options)!);

        public override void Write(Utf8JsonWriter writer, ReductionFactor value, JsonSerializerOptions options)
        {
            if (value.byLayer is null) new WholeOrFraction().Write(writer, value.factor, options);
            else new WholeOrFractionMap().Write(writer, value.byLayer, options);
        }
    }
}
