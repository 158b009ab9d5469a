using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>LoKr on any model.</summary>
public static class LokrExtensions
{
    /// <summary>Freezes a model and adds a LoKr adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of a factor that is not kept whole.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyLokr(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LokrOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
