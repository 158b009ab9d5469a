using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>GLoRA on any model.</summary>
public static class GloraExtensions
{
    /// <summary>Freezes a model and adds a GLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the paths that have one.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyGlora(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new GloraOptions { Rank = rank, TargetModules = targets });
}
