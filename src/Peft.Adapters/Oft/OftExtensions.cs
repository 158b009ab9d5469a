namespace Peft;

/// <summary>Extension methods that apply OFT to any model.</summary>
public static class OftExtensions
{
    /// <summary>Freezes a model and adds an OFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="blockSize">Size of the rotated blocks. If it does not divide a module's input size, the nearest divisor is used.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyOft(this nn.Module model, int blockSize = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OftOptions { BlockSize = blockSize, TargetModules = targets });
}
