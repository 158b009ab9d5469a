namespace Peft;

/// <summary>Extension methods that apply TinyLoRA to any model.</summary>
public static class TinyLoraExtensions
{
    /// <summary>Freezes a model and adds a TinyLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="size">Number of trained parameters per group of layers.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyTinyLora(this nn.Module model, int size = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new TinyLoraOptions { Size = size, TargetModules = targets });
}
