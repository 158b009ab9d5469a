namespace Peft;

/// <summary>Extension methods that apply BOFT to any model.</summary>
public static class BoftExtensions
{
    /// <summary>Freezes a model and adds a BOFT adapter to it.</summary>
    /// <param name="blockSize">Size of the rotated blocks. It must divide the input size of each target.</param>
    /// <param name="factors">Number of butterfly factors. Their blocks interleave, and each factor doubles the reach of the rotations.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyBoft(this nn.Module model, int blockSize = 4, int factors = 1, ModuleSelector? targets = null)
        => model.ApplyAdapter(new BoftOptions { BlockSize = blockSize, ButterflyFactors = factors, TargetModules = targets });
}
