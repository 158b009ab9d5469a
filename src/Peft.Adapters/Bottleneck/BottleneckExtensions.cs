namespace Peft;

/// <summary>Extension methods that add bottleneck adapters to any model.</summary>
public static class BottleneckExtensions
{
    /// <summary>Freezes a model and adds bottleneck adapters after its feed-forward networks (Pfeiffer et al. 2020).</summary>
    /// <param name="model">The model; it is adapted in place.</param>
    /// <param name="reductionFactor">Width of the model divided by the width of the bottlenecks.</param>
    /// <param name="targets">Modules after which adapters are added, for models that are not transformers of a known architecture.</param>
    /// <exception cref="TargetNotFoundException">The architecture is unknown and no targets are given, or no module matches them.</exception>
    public static PeftModel ApplyBottleneckAdapter(this nn.Module model, double reductionFactor = 16, ModuleSelector? targets = null)
        => model.ApplyAdapter(BottleneckOptions.Pfeiffer with { ReductionFactor = reductionFactor, TargetModules = targets });

    /// <summary>Freezes a model and adds bottleneck adapters after attention and after its feed-forward networks (Houlsby et al. 2019).</summary>
    /// <inheritdoc cref="ApplyBottleneckAdapter(nn.Module, double, ModuleSelector?)"/>
    public static PeftModel ApplyHoulsbyAdapter(this nn.Module model, double reductionFactor = 16, ModuleSelector? targets = null)
        => model.ApplyAdapter(BottleneckOptions.Houlsby with { ReductionFactor = reductionFactor, TargetModules = targets });

    /// <summary>Freezes a model and adds bottleneck adapters in parallel to its feed-forward networks, with a learned scale (He et al. 2021).</summary>
    /// <inheritdoc cref="ApplyBottleneckAdapter(nn.Module, double, ModuleSelector?)"/>
    public static PeftModel ApplyParallelAdapter(this nn.Module model, double reductionFactor = 2, ModuleSelector? targets = null)
        => model.ApplyAdapter(BottleneckOptions.ScaledParallel with { ReductionFactor = reductionFactor, TargetModules = targets });

    /// <summary>Freezes a model and adds a compacter after its feed-forward networks (Mahabadi et al. 2021, compacter++).</summary>
    /// <inheritdoc cref="ApplyBottleneckAdapter(nn.Module, double, ModuleSelector?)"/>
    public static PeftModel ApplyCompacter(this nn.Module model, double reductionFactor = 32, ModuleSelector? targets = null)
        => model.ApplyAdapter(BottleneckOptions.CompacterPlusPlus with { ReductionFactor = reductionFactor, TargetModules = targets });
}
