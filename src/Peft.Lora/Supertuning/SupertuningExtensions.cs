namespace Peft;

/// <summary>Extension methods that apply Super-tuning to any model.</summary>
public static class SupertuningExtensions
{
    /// <summary>Freezes a model and adds a Super-tuning adapter to it.</summary>
    /// <param name="sparsity">Fraction of each weight's elements that are not trained.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplySupertuning(this nn.Module model, double sparsity = 0.99, ModuleSelector? targets = null)
        => model.ApplyAdapter(new SupertuningOptions { Sparsity = sparsity, TargetModules = targets });
}
