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
        => model.ApplyHra(new HraOptions { Rank = rank, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });

    /// <summary>Freezes a model and adds an HRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="options">All options of the method.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyHra(this nn.Module model, HraOptions options, string name = PeftModel.DefaultName)
        => model.ApplyAdapter(options, name);
}
