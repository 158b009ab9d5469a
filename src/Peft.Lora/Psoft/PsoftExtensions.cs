using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>PSOFT on any model.</summary>
public static class PsoftExtensions
{
    /// <summary>Freezes a model and adds a PSOFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Singular vectors whose space is turned.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyPsoft(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PsoftOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
