namespace Peft;

/// <summary>Extension methods that apply OFT to any model.</summary>
public static class OftExtensions
{
    /// <summary>Freezes a model and adds an OFT adapter to it.</summary>
    /// <param name="blockSize">Size of the rotated blocks. If it does not divide a module's input size, the nearest divisor is used.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyOft(this nn.Module model, int blockSize = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new OftOptions { BlockSize = blockSize, TargetModules = targets });
}
