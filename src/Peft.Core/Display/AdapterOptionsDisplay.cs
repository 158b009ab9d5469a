namespace Peft;

/// <summary>Options of a method in a notebook.</summary>
internal sealed class AdapterOptionsDisplay : OptionsDisplay<AdapterOptions>
{
    protected override string Title(AdapterOptions options) => $"{options.GetType().Name} ({options.PeftType})";
}
