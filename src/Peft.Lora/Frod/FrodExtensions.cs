using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>FRoD on any model.</summary>
public static class FrodExtensions
{
    /// <summary>Freezes a model and adds a FRoD adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="sparseRate">Share of the shared space in which directions are mixed.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyFrod(this nn.Module model, double sparseRate = 0.01, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FrodOptions { SparseRate = sparseRate, TargetModules = targets });
}
