using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>DEFT on any model.</summary>
public static class DeftExtensions
{
    /// <summary>Freezes a model and adds a DEFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Directions that are replaced.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyDeft(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new DeftOptions { Rank = rank, TargetModules = targets });
}
