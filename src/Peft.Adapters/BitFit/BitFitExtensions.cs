using static TorchSharp.torch;

namespace Peft;

/// <summary>BitFit on any model.</summary>
public static class BitFitExtensions
{
    /// <summary>Freezes a model and adds an adapter that trains its biases to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">The modules whose biases are trained; all that have one if null.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyBitFit(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyBitFit(new BitFitOptions { TargetModules = targets });

    /// <summary>Freezes a model and adds an adapter that trains its biases to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="options">All options of the method.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="AdapterOptionsException">The options make no sense.</exception>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyBitFit(this nn.Module model, BitFitOptions options, string name = PeftModel.DefaultName)
        => model.ApplyAdapter(options, name);
}
