using static TorchSharp.torch;

namespace Peft;

/// <summary>The expected calibration error of predicted preferences (Guo et al. 2017, arXiv:1706.04599): 0 if, of the pairs predicted with confidence c, a fraction c is right.</summary>
internal static class Calibration
{
    private const int Bins = 10;   // of equal width, between confidences of 1/2 and 1

    /// <summary>Adds pairs to the metric <c>calibration_error</c>.</summary>
    /// <param name="metrics">Receives the metric.</param>
    /// <param name="difference">Differences of rewards, <c>[pairs]</c>: σ of one is the probability that the chosen text is the better one.</param>
    public static void Add(TrainingMetrics metrics, Tensor difference)
    {
        var probability = difference.to_type(ScalarType.Float64).sigmoid();
        var confidence = probability.maximum(probability.neg().add(Constant(1), One));
        var right = difference.gt(Constant(0)).to_type(ScalarType.Float64);
        var bin = confidence.sub(Constant(0.5)).mul(Constant(2 * Bins)).floor().clamp(Constant(0), Constant(Bins - 1)).to_type(ScalarType.Int64);
        // Σ |mean of the bin's accuracy − mean of its confidence| · fraction of pairs in the bin is the sum of the absolute sums over the number of pairs.
        var sums = zeros([Bins], ScalarType.Float64, difference.device).index_add(0, bin, right.sub(confidence), One);
        metrics.AddTo("calibration_error", sums.div(Constant((double)difference.size(0))), difference.size(0), means => means.abs().sum());
    }
}
