namespace Peft;

/// <summary>Extension methods that apply X-LoRA to pretrained transformers.</summary>
public static class XLoraExtensions
{
    /// <summary>Freezes a model and adds a mixture of trained LoRA adapters to it, with a trainable classifier that computes the mixture.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="experts">Folders of the LoRA adapters.</param>
    /// <exception cref="AdapterMismatchException">An expert does not fit the model.</exception>
    public static PeftModel ApplyXLora(this nn.Module model, params IReadOnlyList<string> experts)
    {
        ArgumentNullException.ThrowIfNull(experts);
        return model.ApplyAdapter(new XLoraOptions { Adapters = experts.Select((folder, i) => (folder, i)).ToDictionary(pair => pair.i.ToString(System.Globalization.CultureInfo.InvariantCulture), pair => pair.folder) });
    }
}
