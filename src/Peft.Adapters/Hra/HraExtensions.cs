using static TorchSharp.torch;

namespace Peft;

/// <summary>HRA on any model.</summary>
public static class HraExtensions
{
    /// <summary>Freezes a model and adds an HRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of reflections; even, so that they undo each other at the start.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyHra(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HraOptions { Rank = rank, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });
}
