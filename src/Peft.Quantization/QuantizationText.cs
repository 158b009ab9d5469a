using System.ComponentModel;
using System.Globalization;

namespace Peft.Quantization;

/// <summary>Parses kinds of quantization from text, for settings.</summary>
internal sealed class QuantizationText : TypeConverter
{
    private static readonly Dictionary<string, Func<QuantizationOptions>> Kinds = new(StringComparer.OrdinalIgnoreCase)
    {
        ["nf4"] = () => QuantizationOptions.Nf4(), ["nf4_double"] = () => QuantizationOptions.Nf4(doubleQuantization: true),
        ["fp4"] = () => QuantizationOptions.Fp4(), ["fp4_double"] = () => QuantizationOptions.Fp4(doubleQuantization: true),
        ["llm_int8"] = QuantizationOptions.LlmInt8, ["blockwise"] = () => QuantizationOptions.Blockwise(), ["fp8"] = () => QuantizationOptions.Fp8(),
    };

    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
        => value is not string text ? throw GetConvertFromException(value)
            : text.Split('+') switch
            {
                [var kind] => Kind(kind),
                [var kind, var embeddings] => Kind(kind) with { Embeddings = Kind(embeddings) },
                _ => throw new FormatException($"'{text}' has more than two kinds of quantization: one of linear modules and one of embeddings."),
            };

    private static QuantizationOptions Kind(string text)
        => Kinds.TryGetValue(text.Trim(), out var make) ? make() : throw new FormatException($"'{text}' is not a kind of quantization. Valid kinds are {string.Join(", ", Kinds.Keys)}, and two of them with + between.");
}
