using System.Globalization;

namespace Peft.Quantization;

/// <summary>The result of a calibrated quantization.</summary>
public sealed record CalibrationReport
{
    internal CalibrationReport(IReadOnlyList<CalibratedWeight> weights, double? lossBefore, double? lossAfter) => (Weights, LossBefore, LossAfter) = (weights, lossBefore, lossAfter);

    /// <summary>The quantized modules in the order of execution.</summary>
    public IReadOnlyList<CalibratedWeight> Weights { get; }

    /// <summary>The model's mean loss on the evaluation data before; null if the samples have no loss.</summary>
    public double? LossBefore { get; }

    /// <summary>The same after.</summary>
    public double? LossAfter { get; }

    /// <summary>Perplexity of a language model before, the exponential of the loss.</summary>
    public double? PerplexityBefore => LossBefore is { } loss ? Math.Exp(loss) : null;

    /// <summary>Perplexity of a language model after.</summary>
    public double? PerplexityAfter => LossAfter is { } loss ? Math.Exp(loss) : null;

    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"{Weights.Count} weights, mean relative error {Weights.Select(each => each.Error).DefaultIfEmpty().Average():0.0000} (rounded: {Weights.Select(each => each.RoundingError).DefaultIfEmpty().Average():0.0000})")
           + (PerplexityBefore is { } before ? string.Create(CultureInfo.InvariantCulture, $", perplexity {before:0.000} before, {PerplexityAfter:0.000} after") : "");
}
