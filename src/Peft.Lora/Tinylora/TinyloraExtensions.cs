using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>TinyLoRA on any model.</summary>
public static class TinyloraExtensions
{
    /// <summary>Freezes a model and adds a TinyLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="size">Trained numbers for each group of layers.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyTinylora(this nn.Module model, int size = 64, ModuleSelector? targets = null)
        => model.ApplyAdapter(new TinyloraOptions { Size = size, TargetModules = targets });
}
