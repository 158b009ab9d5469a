using static TorchSharp.torch;

namespace Peft;

/// <summary>Metrics of how many ratios were clipped, by TRL's names.</summary>
internal static class ClipMetrics
{
    /// <param name="metrics">Receives the metrics.</param>
    /// <param name="completions">The completions.</param>
    /// <param name="low">1 where a ratio was clipped from below, <c>[rows, width]</c> or <c>[rows, 1]</c>.</param>
    /// <param name="high">1 where a ratio was clipped from above.</param>
    public static void Add(TrainingMetrics metrics, Completions completions, Tensor low, Tensor high)
    {
        var weight = completions.Weight(low);
        metrics.Add("clip_ratio/low_mean", completions.Mean(low), weight);
        metrics.Add("clip_ratio/high_mean", completions.Mean(high), weight);
        metrics.Add("clip_ratio/region_mean", completions.Mean(low.maximum(high)), weight);
        metrics.AddMinimum("clip_ratio/low_min", Fractions(completions, low).DefaultIfEmpty(float.NaN).Min());
        metrics.AddMaximum("clip_ratio/high_max", Fractions(completions, high).DefaultIfEmpty(float.NaN).Max());
    }

    // The fraction of each completion that has tokens.
    private static IEnumerable<float> Fractions(Completions completions, Tensor clipped)
    {
        var fractions = (clipped.size(1) == 1 ? clipped : completions.MeanOfRows(clipped)).cpu().data<float>().ToArray();
        var lengths = completions.Lengths.cpu().data<float>().ToArray();
        return fractions.Where((_, row) => clipped.size(1) == 1 || lengths[row] > 0);
    }
}
