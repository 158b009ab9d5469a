using System.ComponentModel;
using System.Globalization;

namespace Peft;

/// <summary>Parses the names of optimizers, for settings.</summary>
internal sealed class OptimizerText : TypeConverter
{
    private static readonly Dictionary<string, Func<FlatOptimizerOptions>> Kinds = new()
    {
        ["adamw"] = () => new AdamWOptions(), ["adamw8bit"] = () => new AdamW8BitOptions(), ["sgd"] = () => new SgdOptions(), ["lion"] = () => new LionOptions(), ["adafactor"] = () => new AdafactorOptions(),
        ["adammini"] = () => new AdamMiniOptions(), ["muon"] = () => new MuonOptions(), ["galore"] = () => new GaLoreOptions(), ["apollo"] = () => new ApolloOptions(),
        ["schedulefreeadamw"] = () => new ScheduleFreeAdamWOptions(), ["lisa"] = () => new LayerwiseOptions(), ["badam"] = () => new LayerwiseOptions { Order = LayerOrder.Cyclic },
    };

    public override bool CanConvertFrom(ITypeDescriptorContext? context, Type sourceType) => sourceType == typeof(string);

    public override object ConvertFrom(ITypeDescriptorContext? context, CultureInfo? culture, object value)
    {
        if (value is not string text) throw GetConvertFromException(value);
        return Kinds.TryGetValue(text.Trim().Replace("_", "", StringComparison.Ordinal).ToLowerInvariant(), out var make) ? make()
            : throw new FormatException($"'{text}' is not an optimizer. Valid optimizers are adamw, adamw_8bit, sgd, lion, adafactor, adam_mini, muon, galore, apollo, schedule_free_adamw, lisa and badam.");
    }
}
