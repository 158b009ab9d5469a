using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Super-tuning on any model.</summary>
public static class SupertuningExtensions
{
    /// <summary>Freezes a model and adds a Super-tuning adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="sparsity">Share of each weight that is left alone.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplySupertuning(this nn.Module model, double sparsity = 0.99, ModuleSelector? targets = null)
        => model.ApplyAdapter(new SupertuningOptions { Sparsity = sparsity, TargetModules = targets });
}
