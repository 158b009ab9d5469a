namespace Peft;

/// <summary>Extension methods that apply Uni-LoRA to any model.</summary>
public static class UniLoraExtensions
{
    /// <summary>Freezes a model and adds a Uni-LoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="parameters">Number of trained parameters of the whole adapter.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyUniLora(this nn.Module model, int parameters = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new UniLoraOptions { VectorLength = parameters, TargetModules = targets });
}
