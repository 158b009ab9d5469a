using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoHa on any model.</summary>
public static class LohaExtensions
{
    /// <summary>Freezes a model and adds a LoHa adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of each of the two factors.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyLoha(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LohaOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
