using static TorchSharp.torch;

namespace Peft;

/// <summary>OFT on any model.</summary>
public static class OftExtensions
{
    /// <summary>Freezes a model and adds an OFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="blockSize">Size of the rotated blocks; where it does not divide a module's inputs, the nearest size that does.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyOft(this nn.Module model, int blockSize = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OftOptions { BlockSize = blockSize, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });
}
