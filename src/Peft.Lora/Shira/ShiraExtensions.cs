namespace Peft;

/// <summary>Extension methods that apply SHiRA to any model.</summary>
public static class ShiraExtensions
{
    /// <summary>Freezes a model and adds a SHiRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of trained elements per weight as a LoRA rank: a LoRA of this rank has as many parameters.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyShira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new ShiraOptions { Rank = rank, TargetModules = targets });
}
