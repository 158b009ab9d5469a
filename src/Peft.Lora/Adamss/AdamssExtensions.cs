using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>AdaMSS on any model.</summary>
public static class AdamssExtensions
{
    /// <summary>Freezes a model and adds an AdaMSS adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Directions of the input that the updates see.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyAdamss(this nn.Module model, int rank = 100, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdamssOptions { Rank = rank, TargetModules = targets });
}
