namespace Peft;

/// <summary>Extension methods that apply Poly to any model.</summary>
public static class PolyExtensions
{
    /// <summary>Freezes a model and adds a Poly adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of each skill.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyPoly(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PolyOptions { Rank = rank, TargetModules = targets });
}
