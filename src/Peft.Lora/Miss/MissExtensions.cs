namespace Peft;

/// <summary>Extension methods that apply MiSS to any model.</summary>
public static class MissExtensions
{
    /// <summary>Freezes a model and adds a MiSS adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of rows of the shard that is expanded to the whole weight.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyMiss(this nn.Module model, int rank = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new MissOptions { Rank = rank, TargetModules = targets });
}
