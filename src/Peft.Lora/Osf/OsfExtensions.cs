using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>OSF on any model.</summary>
public static class OsfExtensions
{
    /// <summary>Freezes a model and adds an OSF adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="keptShare">Share of the singular values that are kept as they are.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyOsf(this nn.Module model, double keptShare = 0.5, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OsfOptions { KeptRank = keptShare, TargetModules = targets });
}
