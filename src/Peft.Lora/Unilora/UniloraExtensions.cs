using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Uni-LoRA on any model.</summary>
public static class UniloraExtensions
{
    /// <summary>Freezes a model and adds a Uni-LoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="parameters">Trained numbers of the whole adapter.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyUnilora(this nn.Module model, int parameters = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new UniloraOptions { Parameters = parameters, TargetModules = targets });
}
