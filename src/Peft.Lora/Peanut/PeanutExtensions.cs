namespace Peft;

/// <summary>Extension methods that apply PEANuT to any model.</summary>
public static class PeanutExtensions
{
    /// <summary>Freezes a model and adds a PEANuT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Width of the network.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyPeanut(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PeanutOptions { Rank = rank, TargetModules = targets });
}
