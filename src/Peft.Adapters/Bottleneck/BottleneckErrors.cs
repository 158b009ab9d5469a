namespace Peft.Adapters;

/// <summary>Validation errors of the options of a bottleneck adapter.</summary>
internal static class BottleneckErrors
{
    public static IEnumerable<string> Of(BottleneckOptions options)
    {
        if (options is { AfterAttention: false, AfterFeedForward: false, AfterCrossAttention: false, TargetModules: null, Invertible: null })
            yield return "One of AfterAttention, AfterFeedForward and AfterCrossAttention must be true, or TargetModules name modules: the adapter would be empty.";
        if (options.ReductionFactor.All.Any(factor => !(factor > 0))) yield return $"ReductionFactor must be above 0, but was {options.ReductionFactor}.";
        if (!Nonlinearity.IsKnown(options.NonLinearity)) yield return $"NonLinearity '{options.NonLinearity}' is not known. Known are {string.Join(", ", Nonlinearity.Names)}.";
        if (options.Initialization is not ("bert" or "mam_adapter" or "houlsby")) yield return $"Initialization must be 'bert', 'mam_adapter' or 'houlsby', but was '{options.Initialization}'.";
        if (options is { Initialization: "mam_adapter", IsHypercomplex: true }) yield return "Initialization 'mam_adapter' is for plain projections: hypercomplex ones need 'bert' or 'houlsby'.";
        if (!(options.Dropout is >= 0 and < 1)) yield return $"Dropout must be at least 0 and below 1, but was {options.Dropout}.";
        if (!(options.StochasticDepth is >= 0 and < 1)) yield return $"StochasticDepth must be at least 0 and below 1, but was {options.StochasticDepth}.";
        if (options.Invertible is not (null or "nice" or "glow")) yield return $"Invertible must be 'nice', 'glow' or null, but was '{options.Invertible}'.";
        if (options.InvertibleReductionFactor is <= 0) yield return $"InvertibleReductionFactor must be above 0, but was {options.InvertibleReductionFactor}.";
        if (!options.NormAfter && (options.IsParallel || !options.NormBefore)) yield return "NormAfter can be false only with NormBefore in a sequential adapter: the model's own residual connection would be lost.";
        if (options.HypercomplexSize < 1) yield return $"HypercomplexSize must be at least 1, but was {options.HypercomplexSize}.";
        if (options.HypercomplexRank < 1) yield return $"HypercomplexRank must be at least 1, but was {options.HypercomplexRank}.";
        if (options.RuleInitialization is not ("normal" or "uniform")) yield return $"RuleInitialization must be 'normal' or 'uniform', but was '{options.RuleInitialization}'.";
    }
}
