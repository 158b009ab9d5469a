namespace Peft;

/// <summary>An adapter's update of one weight W <c>[out, in]</c>.</summary>
/// <param name="Path">Path of the module.</param>
/// <param name="Adapter">Name of the adapter.</param>
/// <param name="Method">Method of the adapter, as <c>peft_type</c>.</param>
/// <param name="Parameters">Number of the adapter's parameters at the module.</param>
/// <param name="WeightNorm">Frobenius norm ‖W‖ of the base weight.</param>
/// <param name="UpdateNorm">Frobenius norm ‖ΔW‖ of the update; null if the adapter cannot be merged into the weight and thus has no ΔW.</param>
/// <param name="SingularValues">The singular values of ΔW above the rounding error, in descending order; empty if they were not requested or if ΔW is too large.</param>
public sealed record LayerUpdate(string Path, string Adapter, string Method, long Parameters, double WeightNorm, double? UpdateNorm, IReadOnlyList<double> SingularValues)
{
    /// <summary>The drift ‖ΔW‖/‖W‖; null without ΔW.</summary>
    public double? Drift => UpdateNorm is { } norm ? norm == 0 ? 0 : norm / WeightNorm : null;

    /// <summary>The stable rank ‖ΔW‖²/σ₁² of the update, the effective number of its directions; null without singular values.</summary>
    public double? StableRank => SingularValues is [> 0 and var first, ..] ? SingularValues.Sum(value => value / first * (value / first)) : null;
}
