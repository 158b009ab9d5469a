using static TorchSharp.torch;

namespace Peft;

/// <summary>LayerNorm tuning on any model.</summary>
public static class LayerNormTuningExtensions
{
    /// <summary>Freezes a model and adds an adapter that trains its norms to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">The norms to train; the usual ones of the architecture if null, or all.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyLayerNormTuning(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LayerNormTuningOptions { TargetModules = targets });
}
