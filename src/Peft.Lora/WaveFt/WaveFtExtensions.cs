using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>WaveFT on any model.</summary>
public static class WaveFtExtensions
{
    /// <summary>Freezes a model and adds a WaveFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="coefficients">Trained wavelet coefficients per weight.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyWaveFt(this nn.Module model, int coefficients = 2592, ModuleSelector? targets = null)
        => model.ApplyAdapter(new WaveFtOptions { Coefficients = coefficients, TargetModules = targets });
}
