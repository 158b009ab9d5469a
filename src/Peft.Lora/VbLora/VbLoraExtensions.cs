namespace Peft;

/// <summary>Extension methods that apply VB-LoRA to any model.</summary>
public static class VbLoraExtensions
{
    /// <summary>Freezes a model and adds a VB-LoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyVbLora(this nn.Module model, int rank = 4, ModuleSelector? targets = null)
        => model.ApplyAdapter(new VbLoraOptions { Rank = rank, TargetModules = targets });
}
