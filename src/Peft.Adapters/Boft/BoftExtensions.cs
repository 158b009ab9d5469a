using static TorchSharp.torch;

namespace Peft;

/// <summary>BOFT on any model.</summary>
public static class BoftExtensions
{
    /// <summary>Freezes a model and adds a BOFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="blockSize">Size of the rotated blocks; must divide each module's inputs.</param>
    /// <param name="factors">Butterfly factors, whose blocks interleave: each doubles how far a rotation reaches.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyBoft(this nn.Module model, int blockSize = 4, int factors = 1, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BoftOptions { BlockSize = blockSize, ButterflyFactors = factors, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });
}
