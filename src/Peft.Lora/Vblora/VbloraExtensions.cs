using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>VB-LoRA on any model.</summary>
public static class VbloraExtensions
{
    /// <summary>Freezes a model and adds a VB-LoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyVblora(this nn.Module model, int rank = 4, ModuleSelector? targets = null)
        => model.ApplyAdapter(new VbloraOptions { Rank = rank, TargetModules = targets });
}
