using static TorchSharp.torch;

namespace Peft;

/// <summary>Metrics that preference objectives share, by TRL's names.</summary>
internal static class PreferenceMetrics
{
    /// <summary>Means of rewards and of the log-probabilities that they come from.</summary>
    /// <param name="metrics">Receives the metrics.</param>
    /// <param name="rewards">Rewards of chosen and rejected texts, <c>[pairs]</c> each.</param>
    /// <param name="logProbabilities">Their log-probabilities under the policy.</param>
    /// <param name="rounding">Differences of rewards up to these are ties, <c>[pairs]</c>; null for none.</param>
    public static void AddRewards(this TrainingMetrics metrics, (Tensor Chosen, Tensor Rejected) rewards, (Tensor Chosen, Tensor Rejected) logProbabilities, Tensor? rounding = null)
    {
        var rows = (double)rewards.Chosen.size(0);
        var margins = rewards.Chosen.sub(rewards.Rejected);
        metrics.Add("rewards/chosen", rewards.Chosen.mean(), rows);
        metrics.Add("rewards/rejected", rewards.Rejected.mean(), rows);
        metrics.Add("rewards/accuracies", (rounding is null ? margins.gt(Constant(0)) : margins.gt(rounding)).to_type(ScalarType.Float32).mean(), rows);
        metrics.Add("rewards/margins", margins.mean(), rows);
        metrics.Add("logps/chosen", logProbabilities.Chosen.mean(), rows);
        metrics.Add("logps/rejected", logProbabilities.Rejected.mean(), rows);
    }

    /// <summary>The mean over tokens of values that are 0 where the mask is.</summary>
    public static void AddTokenMean(this TrainingMetrics metrics, string name, Tensor values, Tensor mask)
    {
        var tokens = mask.sum();
        metrics.Add(name, values.sum().div(tokens), tokens.to_type(ScalarType.Float64).item<double>());
    }

    /// <summary>Mean logits of chosen and rejected texts over all positions, padding included: TRL's definition in its trainers without a reference.</summary>
    public static void AddMeanLogits(this TrainingMetrics metrics, Tensor meanLogits)
    {
        var (chosen, rejected) = PairedBatch.Halves(meanLogits);
        metrics.Add("logits/chosen", chosen.mean(), chosen.numel());
        metrics.Add("logits/rejected", rejected.mean(), rejected.numel());
    }
}
