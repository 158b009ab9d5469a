using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>SHiRA on any model.</summary>
public static class ShiraExtensions
{
    /// <summary>Freezes a model and adds a SHiRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">As many elements of each weight are trained as a LoRA of this rank has.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyShira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new ShiraOptions { Rank = rank, TargetModules = targets });
}
