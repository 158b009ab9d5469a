using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// REINFORCE leave-one-out (Ahmadian et al. 2024, arXiv:2402.14740): the policy learns from completions that it generates itself. The advantage of a completion is its reward less the mean
/// of the prompt's other completions; the divergence from the reference is part of the reward. Ratio and clip apply to whole completions.
/// </summary>
/// <remarks>
/// The dataset gives prompts (<see cref="OnlineObjective"/>). Batches of completions hold <see cref="Batch.InputIds"/> of prompts and completions, <c>completion_mask</c> <c>[rows, width]</c>,
/// <c>advantages</c> <c>[rows]</c>, and <c>old_logps</c> <c>[rows]</c> or <c>old_per_token_logps</c> <c>[rows, width]</c>.
/// </remarks>
/// <param name="policy">The policy: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="rollouts">How completions are generated and scored.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference, used if <see cref="RlooOptions.Beta"/> is above 0; the policy without its adapters if null.</param>
public sealed class RlooObjective(ITrainable policy, RolloutOptions rollouts, RlooOptions? options = null, Reference? reference = null)
    : OnlineObjective(policy, rollouts, reference, defaultGenerations: 2)
{
    private readonly RlooOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. base.Errors(model, options)];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts) => Policy.RowsAreIndependent ? RowParts.Divide(batch, parts, byTokens: false) : [batch];

    private protected override bool NeedsReference => settings.Beta > 0;

    private protected override bool DropsByDefault => true;

    private protected override bool NeedsOld => true;

    private protected override bool CallsTools => true;

    private protected override bool MasksTruncated => settings.MaskTruncated;

    private protected override double[] Advantages(RewardTable rewards, Divergence? divergence, TrainingMetrics metrics)
    {
        var advantages = LeaveOneOut.Of(rewards, divergence, settings, out var deviations);
        if (divergence is not null) metrics.Add("kl", divergence.Mean);
        rewards.Report(metrics, deviations);
        return advantages;
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var completions = new Completions(batch);
        var (logProbabilities, entropies) = completions.Predict(Policy, Rollouts.Temperature);
        var sums = logProbabilities.sum(dim: 1, keepdim: true);
        var old = completions.PerRow("old_logps") ?? completions.PerToken("old_per_token_logps")?.mul(completions.Mask).sum(dim: 1, keepdim: true) ?? sums.detach();
        var ratios = sums.sub(old).exp();
        var advantages = completions.Required("advantages");
        var (least, most) = (1 - settings.Epsilon, 1 + (settings.EpsilonHigh ?? settings.Epsilon));
        var losses = ratios.mul(advantages).minimum(ratios.clamp(Constant(least), Constant(most)).mul(advantages)).neg();
        metrics.Add("entropy", completions.Mean(entropies), completions.Tokens);
        using (no_grad())
            ClipMetrics.Add(metrics, completions, ratios.lt(Constant(least)).logical_and(advantages.lt(Constant(0))).to_type(ScalarType.Float32),
                ratios.gt(Constant(most)).logical_and(advantages.gt(Constant(0))).to_type(ScalarType.Float32));
        return losses.mean().MoveToOuterDisposeScope();
    }
}
