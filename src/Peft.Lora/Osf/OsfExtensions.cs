namespace Peft;

/// <summary>Extension methods that apply OSF to any model.</summary>
public static class OsfExtensions
{
    /// <summary>Freezes a model and adds an OSF adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="keptShare">Fraction of the singular values to freeze, the largest first.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyOsf(this nn.Module model, double keptShare = 0.5, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OsfOptions { FrozenRank = keptShare, TargetModules = targets });
}
