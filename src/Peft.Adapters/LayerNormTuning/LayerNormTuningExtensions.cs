namespace Peft;

/// <summary>Extension methods that apply LayerNorm tuning to any model.</summary>
public static class LayerNormTuningExtensions
{
    /// <summary>Freezes a model and adds a LayerNorm tuning adapter, which trains its norms.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Norms to train. If null: the default targets of the architecture, or all norms of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyLayerNormTuning(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LayerNormTuningOptions { TargetModules = targets });
}
