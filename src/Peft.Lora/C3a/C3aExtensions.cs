using Peft.Lora;
using static TorchSharp.torch;

namespace Peft;

/// <summary>C3A on any model.</summary>
public static class C3aExtensions
{
    /// <summary>Freezes a model and adds a C3A adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="blockSize">Side of the circulant blocks; a divisor of all inputs and outputs.</param>
    /// <param name="targets">Modules to adapt; the usual ones of the architecture if null, or every linear module if the architecture is unknown.</param>
    /// <exception cref="TargetNotFoundException">Nothing matches the targets.</exception>
    public static PeftModel ApplyC3a(this nn.Module model, int blockSize = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new C3aOptions { BlockSize = blockSize, TargetModules = targets });
}
