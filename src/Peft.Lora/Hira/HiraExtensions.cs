namespace Peft;

/// <summary>Extension methods that apply HiRA to any model.</summary>
public static class HiraExtensions
{
    /// <summary>Freezes a model and adds a HiRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of B·A, by which the weight is multiplied elementwise.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyHira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HiraOptions { Rank = rank, TargetModules = targets });
}
