using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>MiSS on any model.</summary>
public static class MissExtensions
{
    /// <summary>Freezes a model and adds a MiSS adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rows of the shard that is expanded to the whole weight.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyMiss(this nn.Module model, int rank = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new MissOptions { Rank = rank, TargetModules = targets });
}
