namespace Peft;

/// <summary>Extension methods that apply C3A to any model.</summary>
public static class C3aExtensions
{
    /// <summary>Freezes a model and adds a C3A adapter to it.</summary>
    /// <param name="blockSize">Size b of the b × b circulant blocks. It must divide the input and output size of each target.</param>
    /// <include file="../../Apply.xml" path="docs/modules/*"/>
    public static PeftModel ApplyC3a(this nn.Module model, int blockSize = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new C3aOptions { BlockSize = blockSize, TargetModules = targets });
}
