namespace Peft;

/// <summary>Extension methods that apply Lily to any model.</summary>
public static class LilyExtensions
{
    /// <summary>Freezes a model and adds a Lily adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyLily(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LilyOptions { Rank = rank, TargetModules = targets });
}
