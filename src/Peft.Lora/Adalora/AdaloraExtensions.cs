using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>AdaLoRA on any model.</summary>
public static class AdaloraExtensions
{
    /// <summary>Freezes a model and adds an AdaLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targetRank">Rank that the layers have on average at the end; they start with half as much again.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyAdalora(this nn.Module model, int targetRank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdaloraOptions { TargetRank = targetRank, InitialRank = (targetRank * 3 + 1) / 2, TargetModules = targets });
}
