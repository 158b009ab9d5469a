using static TorchSharp.torch;

namespace Peft;

/// <summary>BEFT on any model.</summary>
public static class BeftExtensions
{
    /// <summary>Freezes a model and adds a BEFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyBeft(this nn.Module model, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BeftOptions { TargetModules = targets ?? (model is IPretrainedModel ? null : ModuleSelector.AllLinear) });
}
