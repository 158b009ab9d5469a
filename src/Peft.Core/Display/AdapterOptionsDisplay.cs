namespace Peft;

/// <summary>Displays the options of a method in a notebook.</summary>
internal sealed class AdapterOptionsDisplay : OptionsDisplay<AdapterOptions>
{
    protected override string Title(AdapterOptions options) => $"{options.GetType().Name} ({options.PeftType})";
}
