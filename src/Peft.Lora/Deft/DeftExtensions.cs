namespace Peft;

/// <summary>Extension methods that apply DEFT to any model.</summary>
public static class DeftExtensions
{
    /// <summary>Freezes a model and adds a DEFT adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of output directions to replace.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyDeft(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new DeftOptions { Rank = rank, TargetModules = targets });
}
