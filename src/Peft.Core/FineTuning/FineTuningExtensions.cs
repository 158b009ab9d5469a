using static TorchSharp.torch;

namespace Peft;

/// <summary>Partial and full fine-tuning of any model, with the same API as the other methods.</summary>
public static class FineTuningExtensions
{
    /// <summary>Trains copies of some modules of a model, and freezes the rest.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="modules">Modules and parameters, by the last parts of their paths; <c>layers.-1</c> is the last layer.</param>
    /// <exception cref="AdapterOptionsException">The list of modules is empty.</exception>
    /// <exception cref="TargetNotFoundException">A name matches nothing.</exception>
    public static PeftModel ApplyPartial(this nn.Module model, params string[] modules)
        => model.ApplyAdapter(new PartialOptions { TargetModules = modules });

    /// <summary>Trains a copy of all parameters: <see cref="PeftModel.Unload"/> returns the base model, <see cref="PeftModel.MergeAndUnload"/> the trained one.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="name">Name of the adapter.</param>
    /// <exception cref="TargetNotFoundException">No parameter required a gradient.</exception>
    public static PeftModel ApplyFull(this nn.Module model, string name = PeftModel.DefaultName)
        => model.ApplyAdapter(new FullOptions(), name);
}
