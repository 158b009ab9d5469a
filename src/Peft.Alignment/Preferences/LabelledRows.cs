using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Rows with a completion that is desirable or not, as the objectives without pairs see them: log-probabilities <c>[rows]</c>.</summary>
/// <param name="Sums">Sums of the policy's log-probabilities of completions.</param>
/// <param name="Reference">Sums under the reference.</param>
/// <param name="Desirable">True for desirable rows.</param>
internal sealed record LabelledRows(Tensor Sums, Tensor Reference, Tensor Desirable)
{
    /// <summary>Name of the reference's sums in <see cref="Batch.Extra"/>.</summary>
    public const string ReferenceName = "ref_logps";

    /// <summary>Log-ratios of policy and reference.</summary>
    public Tensor Ratios { get; } = Sums.sub(Reference);

    /// <summary>The label of each row as a bool.</summary>
    public static Tensor Labels(Batch batch)
        => (PairedBatch.Column(batch, "label", batch.InputIds.size(0)) ?? throw new ArgumentException("The batch has no label, which says for each row whether its completion is desirable.", nameof(batch))).ne(Constant(0));

    /// <summary>Sums under the reference, from the batch if it holds them.</summary>
    public static Tensor ReferenceSums(Policy policy, Batch batch)
    {
        if (PairedBatch.Column(batch, ReferenceName, batch.InputIds.size(0)) is { } known) return known;
        using var asked = policy.PredictByReference(batch, Policy.CompletionLabels(batch));
        return asked.LogProbabilities.sum(dim: 1);
    }

    /// <summary>Means of desirable and undesirable rows, of those that there are.</summary>
    /// <param name="metrics">Receives the metrics.</param>
    /// <param name="beta">Scale of the rewards.</param>
    public void Report(TrainingMetrics metrics, double beta)
    {
        var rewards = Ratios.detach().mul(Constant(beta));
        var (wanted, unwanted) = (Desirable.to_type(rewards.dtype), Desirable.logical_not().to_type(rewards.dtype));
        metrics.AddTokenMean("rewards/chosen", rewards.mul(wanted), wanted);
        metrics.AddTokenMean("rewards/rejected", rewards.mul(unwanted), unwanted);
        metrics.AddTokenMean("logps/chosen", Sums.detach().mul(wanted), wanted);
        metrics.AddTokenMean("logps/rejected", Sums.detach().mul(unwanted), unwanted);
        // Of means over the same rows as those of the two rewards, in a batch or over an evaluation.
        metrics.AddTo("rewards/margins", stack([rewards.mul(wanted).sum(), wanted.sum(), rewards.mul(unwanted).sum(), unwanted.sum()]), 1,
            sums => sums[1].item<double>() == 0 || sums[3].item<double>() == 0 ? null : sums[0].div(sums[1]).sub(sums[2].div(sums[3])));
    }
}
