using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Lily on any model.</summary>
public static class LilyExtensions
{
    /// <summary>Freezes a model and adds a Lily adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyLily(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LilyOptions { Rank = rank, TargetModules = targets });
}
