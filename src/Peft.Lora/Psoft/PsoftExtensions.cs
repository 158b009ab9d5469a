namespace Peft;

/// <summary>Extension methods that apply PSOFT to any model.</summary>
public static class PsoftExtensions
{
    /// <summary>Freezes a model and adds a PSOFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of singular vectors, the dimension of the subspace to rotate.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyPsoft(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PsoftOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
