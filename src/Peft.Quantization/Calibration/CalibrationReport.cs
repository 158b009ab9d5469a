using System.Globalization;

namespace Peft.Quantization;

/// <summary>The result of a quantization with calibration.</summary>
/// <param name="Weights">The quantized modules in the order of execution.</param>
/// <param name="LossBefore">The model's mean loss on the evaluation data before; null if it has no loss.</param>
/// <param name="LossAfter">The same after.</param>
public sealed record CalibrationReport(IReadOnlyList<CalibratedWeight> Weights, double? LossBefore, double? LossAfter)
{
    /// <summary>Perplexity of a language model before, the exponential of the loss.</summary>
    public double? PerplexityBefore => LossBefore is { } loss ? Math.Exp(loss) : null;

    /// <summary>Perplexity of a language model after.</summary>
    public double? PerplexityAfter => LossAfter is { } loss ? Math.Exp(loss) : null;

    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Weights.Count} weights, mean relative error {Weights.Select(each => each.Error).DefaultIfEmpty().Average():0.0000} (rounded: {Weights.Select(each => each.RoundingError).DefaultIfEmpty().Average():0.0000})")
           + (PerplexityBefore is { } before ? string.Create(CultureInfo.InvariantCulture, $", perplexity {before:0.000} before, {PerplexityAfter:0.000} after") : "");
}
