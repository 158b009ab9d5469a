namespace Peft;

/// <summary>Extension methods that apply Super-tuning to any model.</summary>
public static class SupertuningExtensions
{
    /// <summary>Freezes a model and adds a Super-tuning adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="sparsity">Fraction of each weight's elements that are not trained.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplySupertuning(this nn.Module model, double sparsity = 0.99, ModuleSelector? targets = null)
        => model.ApplyAdapter(new SupertuningOptions { Sparsity = sparsity, TargetModules = targets });
}
