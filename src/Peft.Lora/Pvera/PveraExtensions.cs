namespace Peft;

/// <summary>Extension methods that apply PVeRA to any model.</summary>
public static class PveraExtensions
{
    /// <summary>Freezes a model and adds a PVeRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the shared projections.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyPvera(this nn.Module model, int rank = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PveraOptions { Rank = rank, TargetModules = targets });
}
