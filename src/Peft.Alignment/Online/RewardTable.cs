using static TorchSharp.torch;

namespace Peft;

/// <summary>The rewards of completions: a row per completion, those of a prompt adjacent, and a column per reward function; NaN where a function gave none.</summary>
/// <param name="Names">Names of the functions.</param>
/// <param name="Weights">Weights of the functions.</param>
/// <param name="Values">The rewards.</param>
/// <param name="GroupSize">Number of completions of a prompt.</param>
internal sealed record RewardTable(IReadOnlyList<string> Names, IReadOnlyList<double> Weights, double[][] Values, int GroupSize)
{
    /// <summary>The weighted sum of each completion's rewards, missing ones counting 0; NaN if it has none at all.</summary>
    public double[] Sums() => Sums(Values);

    /// <summary>The weighted sums of other values of the same form.</summary>
    public double[] Sums(double[][] values)
        => [.. values.Select((row, i) => Values[i].All(double.IsNaN) ? double.NaN : row.Select((value, k) => double.IsNaN(value) ? 0 : value * Weights[k]).Sum())];

    /// <summary>Adds the metrics of the rewards.</summary>
    /// <param name="metrics">Receives the metrics.</param>
    /// <param name="deviations">The standard deviation that each completion or group is compared with.</param>
    public void Report(TrainingMetrics metrics, double[] deviations)
    {
        for (var k = 0; k < Names.Count; k++)
        {
            var column = Values.Select(row => row[k]).ToArray();
            AddNumber($"rewards/{Names[k]}/mean", Statistics.Mean(column));
            AddNumber($"rewards/{Names[k]}/std", Statistics.Deviation(column));
        }
        var sums = Sums();
        AddNumber("reward", Statistics.Mean(sums));
        AddNumber("reward_std", Statistics.Deviation(sums));
        metrics.Add("frac_reward_zero_std", deviations.Average(deviation => Math.Abs(deviation) <= 1e-8 ? 1.0 : 0));

        // As in TRL, what no completion of the step has does not count in means over steps.
        void AddNumber(string name, double value)
        {
            if (!double.IsNaN(value)) metrics.Add(name, value);
        }
    }
}
