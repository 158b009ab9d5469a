namespace Peft;

/// <summary>Extension methods that apply HRA to any model.</summary>
public static class HraExtensions
{
    /// <summary>Freezes a model and adds an HRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of reflections. An even number starts as pairs that cancel each other.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyHra(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HraOptions { Rank = rank, TargetModules = targets });
}
