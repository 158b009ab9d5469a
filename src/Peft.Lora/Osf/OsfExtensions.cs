namespace Peft;

/// <summary>Extension methods that apply OSF to any model.</summary>
public static class OsfExtensions
{
    /// <summary>Freezes a model and adds an OSF adapter to it.</summary>
    /// <param name="keptShare">Fraction of the singular values to freeze, the largest first.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyOsf(this nn.Module model, double keptShare = 0.5, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OsfOptions { FrozenRank = keptShare, TargetModules = targets });
}
