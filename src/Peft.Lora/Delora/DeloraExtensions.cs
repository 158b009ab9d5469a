namespace Peft;

/// <summary>Extension methods that apply DeLoRA to any model.</summary>
public static class DeloraExtensions
{
    /// <summary>Freezes a model and adds a DeLoRA adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of the update.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyDelora(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new DeloraOptions { Rank = rank, TargetModules = targets });
}
