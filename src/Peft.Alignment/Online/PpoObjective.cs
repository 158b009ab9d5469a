using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Proximal policy optimization (Schulman et al. 2017, arXiv:1707.06347): the policy learns from completions that it generates itself; a value model, trained along with it, says what reward
/// each token was worth.
/// </summary>
/// <remarks>
/// The dataset gives prompts (<see cref="OnlineObjective"/>). Batches of completions hold <see cref="Batch.InputIds"/> of prompts and completions, and <c>[rows, width]</c> <c>completion_mask</c>,
/// <c>value_mask</c> (one token more), <c>old_per_token_logps</c>, <c>values</c>, <c>advantages</c> and <c>returns</c>.
/// </remarks>
/// <param name="models">Policy and value model, which the trainer trains.</param>
/// <param name="rollouts">How completions are generated and scored.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference; the policy without its adapters if null.</param>
public sealed class PpoObjective(ActorCritic models, RolloutOptions rollouts, PpoOptions? options = null, Reference? reference = null)
    : OnlineObjective((models ?? throw new ArgumentNullException(nameof(models))).Policy, rollouts, reference, defaultGenerations: 1, leastGenerations: 1)
{
    private const string KlState = "kl_coefficient", PolicyTokens = "policy_tokens", ValueTokens = "value_tokens";

    private readonly ActorCritic models = models;
    private readonly PpoOptions settings = options ?? new();
    private double klCoefficient = (options ?? new()).KlCoefficient;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
        => [.. settings.Errors(), .. base.Errors(model, options), .. ReferenceEquals(model, models) ? Array.Empty<string>() : ["The trainer trains another model than the objective's policy and values: pass it the same ActorCritic."]];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
    {
        if (!Policy.RowsAreIndependent || !models.Values.Body.RowsDependOnThemselves) return [batch];
        using var scope = NewDisposeScope();
        var (completions, rows) = (new Completions(batch), batch.InputIds.size(0));
        // Means are over tokens, of which policy and values count different numbers: each row bears its fraction of both.
        Tensor Fractions(Tensor mask) => mask.sum().div(Constant((double)rows)).expand(rows).clone();
        var counted = batch.Extra.ContainsKey(PolicyTokens) ? batch
            : With(batch, (PolicyTokens, Fractions(completions.Mask)), (ValueTokens, Fractions(Given(completions, "value_mask").to_type(ScalarType.Float32))));
        return RowParts.Divide(counted, parts, byTokens: false) is { Count: > 1 } divided ? divided : [batch];
    }

    private protected override bool NeedsOld => true;

    // As in TRL, each pass over the completions shuffles them.
    private protected override int Divisions => Rollouts.Iterations;

    // The scores, in place of advantages.
    private protected override double[] Advantages(RewardTable rewards, Divergence? divergence, TrainingMetrics metrics)
    {
        var sums = rewards.Sums();
        if (Array.FindIndex(sums, double.IsNaN) is >= 0 and var missing) throw new RewardException($"Completion {missing} of the step got no reward, but PPO needs one for each completion.");
        rewards.Report(metrics, [double.NaN]);
        return sums;
    }

    // As in TRL, advantages are whitened over all completions of a step.
    private protected override IReadOnlyList<Batch> Completed(IReadOnlyList<Batch> batches, bool training, TrainingMetrics metrics)
    {
        Tensor All(Func<Batch, Tensor> of) => cat([.. batches.Select(of)]);
        var mask = All(batch => new Completions(batch).Mask);
        var old = All(batch => batch.Extra["old_per_token_logps"]);
        var scores = All(ScoresOf);
        var values = All(batch => new Completions(batch).Of(WithoutLast(models.Values.Values(batch))));
        var returns = new PpoReturns(old, All(batch => batch.Extra["ref_per_token_logps"]), values, scores, mask, settings, klCoefficient);
        Report(metrics, returns, old, scores, mask);
        metrics.Add("val/num_eos_tokens", All(EndTokens).sum());
        if (training) Adapt(returns.Kl.sum(dim: 1).mean().item<float>(), (int)mask.size(0));
        var start = 0L;
        return [.. batches.Select(batch =>
        {
            var rows = batch.InputIds.size(0);
            Tensor Own(Tensor all) => all.narrow(0, start, rows);
            var extra = new Dictionary<string, Tensor>
            {
                [Completions.MaskName] = batch.Extra[Completions.MaskName], ["old_per_token_logps"] = Own(old), ["value_mask"] = Own(returns.ValueMask), ["values"] = Own(returns.Values),
                ["advantages"] = Own(returns.Advantages), ["returns"] = Own(returns.Returns),
            };
            start += rows;
            return new Batch { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Weight = batch.Weight, Extra = extra };
        })];
    }

    private Tensor ScoresOf(Batch batch)
    {
        var scores = new Completions(batch).Required("advantages");
        if (settings.MissingEosPenalty is not { } penalty) return scores;
        return scores.sub(EndTokens(batch).any(1).to_type(ScalarType.Float32).unsqueeze(1).neg().add(Constant(1), One).mul(Constant(penalty)));
    }

    /// <summary>Adds the metrics of a rollout.</summary>
    internal void Report(TrainingMetrics metrics, PpoReturns returns, Tensor old, Tensor scores, Tensor mask)
    {
        var penalties = returns.Penalties.sum(dim: 1).mean();
        metrics.Add("objective/kl", returns.Kl.sum(dim: 1).mean());
        // As in TRL, a position of padding counts −1.
        metrics.Add("objective/entropy", old.neg().sum(dim: 1).sub(mask.neg().add(Constant(1), One).sum(dim: 1)).mean());
        metrics.Add("objective/non_score_reward", penalties);
        metrics.Add("objective/rlhf_reward", penalties.add(scores.mean(), One));
        metrics.Add("objective/scores", scores.mean());
        metrics.Add("objective/kl_coefficient", klCoefficient);
    }

    // The proportional controller of Ziegler et al.
    private void Adapt(double kl, int completions)
    {
        if (settings.KlTarget is { } target) klCoefficient *= 1 + Math.Clamp(kl / target - 1, -0.2, 0.2) * completions / settings.KlHorizon;
    }

    private static Tensor WithoutLast(Tensor values) => values.narrow(1, 0, values.size(1) - 1);

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        using var scope = NewDisposeScope();
        return PolicyLoss(batch, metrics).add(ValueLoss(batch, metrics), One).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    /// <remarks>The losses of policy and values, which have forward passes of their own.</remarks>
    protected internal override IEnumerable<Tensor> LossTerms(Batch batch, TrainingMetrics metrics)
    {
        yield return PolicyLoss(batch, metrics);
        yield return ValueLoss(batch, metrics);
    }

    private Tensor PolicyLoss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var completions = new Completions(batch, countsPadding: true);
        var (advantages, mask) = (Given(completions, "advantages"), completions.Mask);
        var tokens = completions.PerRow(PolicyTokens)?.sum() ?? mask.sum();
        var (logProbabilities, entropies) = completions.Predict(Policy, Rollouts.Temperature);
        var difference = logProbabilities.sub(Given(completions, "old_per_token_logps")).mul(mask);
        var ratios = difference.exp();
        var (free, clipped) = (advantages.neg().mul(ratios), advantages.neg().mul(ratios.clamp(Constant(1 - settings.ClipRange), Constant(1 + settings.ClipRange))));
        var loss = MaskedMean(free.maximum(clipped), mask, tokens);
        using (no_grad())
        {
            void Add(string name, Tensor value) => metrics.Add(name, value, completions.Rows);
            Add("policy/approxkl_avg", difference.detach().square().mean().mul(Constant(0.5)));
            Add("policy/clipfrac_avg", MaskedMean(clipped.gt(free).to_type(ScalarType.Float32), mask, tokens));
            Add("policy/entropy_avg", entropies.mean());
            Add("loss/policy_avg", loss);
            Add("val/ratio", ratios.mean());
        }
        return loss.MoveToOuterDisposeScope();
    }

    private Tensor ValueLoss(Batch batch, TrainingMetrics metrics)
    {
        using var scope = NewDisposeScope();
        var completions = new Completions(batch, countsPadding: true);
        var (returns, before) = (Given(completions, "returns"), Given(completions, "values"));
        var mask = Given(completions, "value_mask").to_type(ScalarType.Float32);
        var tokens = completions.PerRow(ValueTokens)?.sum() ?? mask.sum();
        var values = completions.Of(WithoutLast(models.Values.Values(batch))).mul(mask);
        var bounded = values.maximum(before.sub(Constant(settings.ValueClipRange))).minimum(before.add(Constant(settings.ValueClipRange), One));
        var (freeError, boundedError) = (values.sub(returns).square(), bounded.sub(returns).square());
        var loss = MaskedMean(freeError.maximum(boundedError), mask, tokens).mul(Constant(0.5));
        using (no_grad())
        {
            metrics.Add("loss/value_avg", loss, completions.Rows);
            metrics.Add("val/clipfrac_avg", MaskedMean(boundedError.gt(freeError).to_type(ScalarType.Float32), mask, tokens), completions.Rows);
        }
        return loss.mul(Constant(settings.ValueCoefficient)).MoveToOuterDisposeScope();
    }

    private static Tensor Given(Completions completions, string name)
        => completions.PerToken(name) ?? throw new ArgumentException($"The batch has completions, but no {name} [{completions.Rows}, {completions.Width}].", nameof(completions));

    private static Tensor MaskedMean(Tensor values, Tensor mask, Tensor count) => values.mul(mask).sum().div(count.clamp_min(Constant(1)));

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState()
        => new Dictionary<string, Tensor>(base.SaveState()) { [KlState] = full([1], Constant(klCoefficient), ScalarType.Float64) };

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        base.LoadState(state);
        if (!state.TryGetValue(KlState, out var coefficient)) throw new TrainingException($"The checkpoint lacks {KlState}: it belongs to another objective.");
        klCoefficient = coefficient.to_type(ScalarType.Float64).item<double>();
    }
}
