namespace Peft;

/// <summary>Extension methods that apply LoHa to any model.</summary>
public static class LoHaExtensions
{
    /// <summary>Freezes a model and adds a LoHa adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Rank of each of the two factors.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyLoHa(this nn.Module model, int rank = 8, ModuleSelector? targets = null)
        => model.ApplyAdapter(new LoHaOptions { Rank = rank, Alpha = rank, TargetModules = targets });
}
