namespace Peft;

/// <summary>Extension methods that apply GraLoRA to any model.</summary>
public static class GraloraExtensions
{
    /// <summary>Freezes a model and adds a GraLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of a row of blocks. It must be a multiple of the number of blocks per row.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyGralora(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new GraloraOptions { Rank = rank, TargetModules = targets });
}
