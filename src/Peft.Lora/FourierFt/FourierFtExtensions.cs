using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>FourierFT on any model.</summary>
public static class FourierFtExtensions
{
    /// <summary>Freezes a model and adds a FourierFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="frequencies">Trained coefficients per weight.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyFourierFt(this nn.Module model, int frequencies = 1000, ModuleSelector? targets = null)
        => model.ApplyAdapter(new FourierFtOptions { Frequencies = frequencies, TargetModules = targets });
}
