namespace Peft;

/// <summary>Extension methods that apply FRoD to any model.</summary>
public static class FrodExtensions
{
    /// <summary>Freezes a model and adds a FRoD adapter to it.</summary>
    /// <param name="sparseRate">Fraction of the elements of the sparse matrix S that are trained.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyFrod(this nn.Module model, double sparseRate = 0.01, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FrodOptions { SparseRate = sparseRate, TargetModules = targets });
}
