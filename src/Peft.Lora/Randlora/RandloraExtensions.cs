using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>RandLoRA on any model.</summary>
public static class RandloraExtensions
{
    /// <summary>Freezes a model and adds a RandLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of each random basis.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyRandlora(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new RandloraOptions { Rank = rank, TargetModules = targets });
}
