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
        if (options is { Initialization: "mam_adapter", IsHypercomplex: true }) yield return "Initialization 'mam_adapter' is for plain projections: hypercomplex ones need 'bert' or 'houlsby'.";
        if (!options.NormAfter && (options.IsParallel || !options.NormBefore)) yield return "NormAfter can be false only with NormBefore in a sequential adapter: the model's own residual connection would be lost.";
    }
}
