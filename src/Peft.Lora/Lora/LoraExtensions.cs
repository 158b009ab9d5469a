using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoRA on any model.</summary>
public static class LoraExtensions
{
    /// <summary>Freezes a model and adds a LoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="alpha">Strength of the update; the rank if null, which scales by 1.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyLora(this nn.Module model, int rank = 8, double? alpha = null, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LoraOptions
        {
            Rank = rank,
            Alpha = alpha ?? rank,
            TargetModules = targets,
        });
}
