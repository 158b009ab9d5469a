using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>HiRA on any model.</summary>
public static class HiraExtensions
{
    /// <summary>Freezes a model and adds a HiRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the factor that multiplies the weight.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyHira(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new HiraOptions { Rank = rank, TargetModules = targets });
}
