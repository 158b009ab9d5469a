namespace Peft;

/// <summary>Extension methods that apply C3A to any model.</summary>
public static class C3aExtensions
{
    /// <summary>Freezes a model and adds a C3A adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="blockSize">Size b of the b × b circulant blocks. It must divide the input and output size of each target.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyC3a(this nn.Module model, int blockSize = 256, ModuleSelector? targets = null)
        => model.ApplyAdapter(new C3aOptions { BlockSize = blockSize, TargetModules = targets });
}
