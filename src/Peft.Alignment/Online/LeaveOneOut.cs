namespace Peft;

/// <summary>The advantages of RLOO: the reward, less the divergence from the reference, compared with the mean of the prompt's other completions.</summary>
internal static class LeaveOneOut
{
    private const double Small = 1e-4;   // added to the deviation, as in TRL

    /// <param name="rewards">The rewards.</param>
    /// <param name="divergence">The divergence from the reference; null for none.</param>
    /// <param name="options">Settings.</param>
    /// <param name="deviations">The standard deviation of each completion's group.</param>
    /// <returns>The advantage of each completion: 0 without a reward, or without another to compare with.</returns>
    public static double[] Of(RewardTable rewards, Divergence? divergence, RlooOptions options, out double[] deviations)
    {
        var sums = rewards.Sums();
        if (options.RewardClipRange is { } range) sums = [.. sums.Select(sum => Math.Clamp(sum, range.Min, range.Max))];
        if (divergence is not null) sums = [.. sums.Select((sum, i) => sum - options.Beta * divergence.Sums[i])];
        deviations = GroupAdvantages.PerGroup(sums, rewards.GroupSize, Statistics.Deviation);
        double[] advantages = [.. sums.Chunk(rewards.GroupSize).SelectMany(Advantages)];
        if (options.NormalizeAdvantages)
        {
            var (mean, deviation) = (Statistics.Mean(advantages), Statistics.Deviation(advantages));
            advantages = [.. advantages.Select(advantage => (advantage - mean) / (deviation + Small))];
        }
        return [.. advantages.Select(advantage => double.IsFinite(advantage) ? advantage : 0)];
    }

    private static IEnumerable<double> Advantages(double[] group)
    {
        var known = group.Where(reward => !double.IsNaN(reward)).ToArray();
        return group.Select(reward => known.Length < 2 ? double.NaN : reward - (known.Sum() - reward) / (known.Length - 1));
    }
}
