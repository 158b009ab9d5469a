using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Base of online objectives that compare two completions of each prompt. The dataset gives prompts (<see cref="OnlineObjective"/>).
/// </summary>
/// <remarks>
/// Batches of completions hold <see cref="Batch.InputIds"/> <c>[2n, sequence]</c> and <c>completion_mask</c> <c>[2n, width]</c>, the first completion of each prompt as rows 0 to n − 1 and the
/// second ones after them, and <c>scores</c> <c>[2n]</c>; optionally <c>ref_per_token_logps</c> <c>[2n, width]</c>.
/// </remarks>
public abstract class PairwiseObjective : OnlineObjective
{
    private const string Scores = "scores";

    private readonly double? missingEosPenalty;

    private protected PairwiseObjective(ITrainable policy, RolloutOptions rollouts, Reference? reference, double? missingEosPenalty)
        : base(policy, rollouts, reference, defaultGenerations: 2) => this.missingEosPenalty = missingEosPenalty;

    private protected override int Blocks => 2;

    // As in TRL, the losses are those of the model's own distribution, whatever completions are drawn from.
    private protected override double Temperature => 1;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
    {
        foreach (var error in base.Errors(model, options)) yield return error;
        if (Generations != 2) yield return $"Generations must be 2, since two completions of a prompt are compared, but was {Generations}.";
        if (Rollouts.EvaluationGenerations is { } other and not 2) yield return $"EvaluationGenerations must be 2 or null, since two completions of a prompt are compared, but was {other}.";
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts) => Policy.RowsAreIndependent ? PairedBatch.DivideRows(batch, parts) : [batch];

    // The scores, in place of advantages.
    private protected override double[] Advantages(RewardTable rewards, Divergence? divergence, TrainingMetrics metrics)
    {
        var sums = rewards.Sums();
        if (Array.FindIndex(sums, double.IsNaN) is >= 0 and var missing)
            throw new RewardException($"Completion {missing}, of prompt {missing / 2} of the step, got no reward, but two completions are compared: give each a reward.");
        rewards.Report(metrics, GroupAdvantages.PerGroup(sums, 2, Statistics.Deviation));
        return sums;
    }

    // Completions of a prompt are adjacent when they are generated; the losses want halves.
    private protected override IReadOnlyList<Batch> Completed(IReadOnlyList<Batch> batches, bool training, TrainingMetrics metrics) => [.. batches.Select(InHalves)];

    private Batch InHalves(Batch batch)
    {
        var rows = batch.InputIds.size(0);
        var first = arange(Constant(0), Constant(rows), Constant(2), ScalarType.Int64, batch.InputIds.device);
        var index = cat([first, first.add(Constant(1), One)]);
        Tensor Halves(Tensor all) => all.index_select(0, index);
        var extra = batch.Extra.Where(pair => pair.Key != "num_items_in_batch").ToDictionary(pair => pair.Key == "advantages" ? Scores : pair.Key, pair => Halves(pair.Value));
        var halves = new Batch { InputIds = Halves(batch.InputIds), AttentionMask = Halves(batch.AttentionMask!), Extra = extra, Weight = rows / 2 };
        if (missingEosPenalty is { } penalty) extra[Scores] = extra[Scores].sub(Ends(halves).neg().add(Constant(1), One).mul(Constant(penalty)));
        return halves;
    }

    /// <summary>1 for completions with an end token, <c>[2n]</c>.</summary>
    private protected Tensor Ends(Batch batch) => EndTokens(batch).any(1).to_type(ScalarType.Float32);

    private protected static (Tensor First, Tensor Second) ScoresOf(Completions completions) => PairedBatch.Halves(completions.Required(Scores).squeeze(1));

    /// <summary>The reference's log-probabilities.</summary>
    private protected Tensor ReferenceOf(Completions completions) => completions.PerToken("ref_per_token_logps") ?? completions.PredictByReference(Policy, Temperature);

    /// <summary>A loss of the difference of log-ratios of chosen and rejected.</summary>
    private protected static Tensor PairLoss(DpoLoss loss, Tensor difference, double beta)
        => loss == DpoLoss.Ipo ? difference.sub(Constant(1 / (2 * beta))).square() : nn.functional.logsigmoid(difference.mul(Constant(beta))).neg();

    /// <summary>Reasons that options cannot be used.</summary>
    internal static IEnumerable<string> Errors(PerEpoch beta, DpoLoss loss, double? penalty)
    {
        if (!beta.All(value => value > 0 && double.IsFinite(value))) yield return $"Beta must be above 0, but was {beta}.";
        if (loss is not (DpoLoss.Sigmoid or DpoLoss.Ipo)) yield return $"Loss must be Sigmoid or Ipo, but was {loss}.";
        if (penalty is { } value && !double.IsFinite(value)) yield return $"MissingEosPenalty must be finite, but was {value}.";
    }
}
