namespace Peft;

/// <summary>The advantages of GRPO: rewards compared with those of the same prompt.</summary>
internal static class GroupAdvantages
{
    private const double Small = 1e-4;   // added to deviations, as in TRL

    /// <param name="rewards">The rewards.</param>
    /// <param name="scaling">What advantages are divided by.</param>
    /// <param name="aggregation">How several rewards become one.</param>
    /// <param name="deviations">The standard deviation that each completion is compared with.</param>
    /// <returns>The advantage of each completion: 0 without any reward.</returns>
    public static double[] Of(RewardTable rewards, RewardScaling scaling, RewardAggregation aggregation, out double[] deviations)
    {
        double[] advantages;
        if (aggregation == RewardAggregation.NormalizeThenSum)
        {
            var columns = Enumerable.Range(0, rewards.Names.Count).Select(k => Normalized([.. rewards.Values.Select(row => row[k])], rewards.GroupSize)).ToArray();
            var sums = rewards.Sums([.. rewards.Values.Select((_, row) => columns.Select(column => column[row]).ToArray())]);
            var (mean, all) = (Statistics.Mean(sums), Statistics.Deviation(sums));
            deviations = [.. sums.Select(_ => all)];
            advantages = [.. sums.Select(sum => (sum - mean) / (all + Small))];
        }
        else
        {
            var sums = rewards.Sums();
            var all = Statistics.Deviation(sums);
            double[] used = deviations = scaling == RewardScaling.Batch ? [.. sums.Select(_ => all)] : PerGroup(sums, rewards.GroupSize, Statistics.Deviation);
            var means = PerGroup(sums, rewards.GroupSize, Statistics.Mean);
            advantages = [.. sums.Select((sum, i) => (sum - means[i]) / (scaling == RewardScaling.None ? 1 : used[i] + Small))];
        }
        return [.. advantages.Select(advantage => double.IsNaN(advantage) ? 0 : advantage)];
    }

    private static double[] Normalized(double[] values, int group)
    {
        var (means, deviations) = (PerGroup(values, group, Statistics.Mean), PerGroup(values, group, Statistics.Deviation));
        return [.. values.Select((value, i) => (value - means[i]) / (deviations[i] + Small))];
    }

    /// <summary>A statistic of each value's group.</summary>
    public static double[] PerGroup(double[] values, int group, Func<IEnumerable<double>, double> statistic)
        => [.. values.Chunk(group).SelectMany(each => Enumerable.Repeat(statistic(each), each.Length))];
}
