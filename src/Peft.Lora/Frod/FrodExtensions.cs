namespace Peft;

/// <summary>Extension methods that apply FRoD to any model.</summary>
public static class FrodExtensions
{
    /// <summary>Freezes a model and adds a FRoD adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="sparseRate">Fraction of the elements of the sparse matrix S that are trained.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyFrod(this nn.Module model, double sparseRate = 0.01, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FrodOptions { SparseRate = sparseRate, TargetModules = targets });
}
