using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>PVeRA on any model.</summary>
public static class PveraExtensions
{
    /// <summary>Freezes a model and adds a PVeRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the shared projections.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyPvera(this nn.Module model, int rank = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new PveraOptions { Rank = rank, TargetModules = targets });
}
