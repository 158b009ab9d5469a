namespace Peft;

/// <summary>Extension methods that apply RandLoRA to any model.</summary>
public static class RandLoraExtensions
{
    /// <summary>Freezes a model and adds a RandLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of each random basis.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyRandLora(this nn.Module model, int rank = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(new RandLoraOptions { Rank = rank, TargetModules = targets });
}
