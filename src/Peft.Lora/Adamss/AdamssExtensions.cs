namespace Peft;

/// <summary>Extension methods that apply AdaMSS to any model.</summary>
public static class AdamssExtensions
{
    /// <summary>Freezes a model and adds an AdaMSS adapter to it.</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="rank">Number of right singular vectors onto which the input is projected.</param>
    /// <param name="targets">Modules to adapt. If null: the default targets of the architecture, or every linear module of an unknown architecture.</param>
    /// <exception cref="TargetNotFoundException">No module matches <paramref name="targets"/>.</exception>
    public static PeftModel ApplyAdamss(this nn.Module model, int rank = 100, ModuleSelector? targets = null)
        => model.ApplyAdapter(new AdamssOptions { Rank = rank, TargetModules = targets });
}
