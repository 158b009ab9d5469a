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
        => model.ApplyOft(new OftOptions { BlockSize = blockSize, TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });

    /// <summary>Freezes a model and adds an OFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="options">All options of the method.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyOft(this nn.Module model, OftOptions options, string name = PeftModel.DefaultName)
        => model.ApplyAdapter(options, name);
}
