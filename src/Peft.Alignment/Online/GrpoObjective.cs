using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Group relative policy optimization (Shao et al. 2024, arXiv:2402.03300) and related methods: the policy learns from completions that it generates itself. The advantage of a completion is
/// its reward compared with those of other completions of the same prompt, so that no value model is needed.
/// </summary>
/// <remarks>
/// The dataset gives prompts (<see cref="OnlineObjective"/>). Batches of completions hold <see cref="Batch.InputIds"/> of prompts and completions, <c>completion_mask</c> <c>[rows, width]</c>,
/// <c>advantages</c> <c>[rows]</c>; optionally <c>old_per_token_logps</c>, <c>ref_per_token_logps</c>, <c>sampling_per_token_logps</c> and <c>tool_mask</c> <c>[rows, width]</c>, and
/// <c>num_items_in_batch</c> <c>[rows]</c>, which sums to the tokens by which losses such as DAPO divide. At the first step after generation all ratios are 1 and the loss is near 0, but its gradient is not.
/// </remarks>
/// <param name="policy">The policy: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="rollouts">How completions are generated and scored.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <param name="reference">The reference, used if <see cref="GrpoOptions.Beta"/> is above 0; the policy without its adapters if null.</param>
public sealed class GrpoObjective(ITrainable policy, RolloutOptions rollouts, GrpoOptions? options = null, Reference? reference = null)
    : OnlineObjective(policy, rollouts, reference, defaultGenerations: 8)
{
    private const string EntropyState = "entropy_control";

    private readonly GrpoOptions settings = options ?? new();
    private readonly EntropyControl entropy = new(options ?? new());

    private bool CountsPadding => settings is { Loss: GrpoLoss.Luspo, Beta: > 0 };   // as in TRL, whose mean then covers padding too

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. base.Errors(model, options)];

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Warnings(ITrainable model, TrainingOptions options, TrainingDataset data)
        => [.. base.Warnings(model, options, data), .. settings is { ImportanceLevel: ImportanceLevel.Sequence, Loss: GrpoLoss.Dapo or GrpoLoss.Bnpo or GrpoLoss.DrGrpo or GrpoLoss.Cispo }
            ? [$"The ratios are those of whole completions, but the loss {settings.Loss} is a mean over tokens, in which long completions count more: GSPO has the loss {nameof(GrpoLoss.Grpo)}."] : Array.Empty<string>()];

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts)
        => settings.IsMeanOverRows && !CountsPadding && Policy.RowsAreIndependent ? RowParts.Divide(batch, parts, settings.Loss == GrpoLoss.Bnpo) : [batch];

    private protected override bool NeedsReference => settings.Beta > 0;

    private protected override bool DropsByDefault => true;

    private protected override bool CallsTools => true;

    private protected override bool MasksTruncated => settings.MaskTruncated;

    private protected override bool PredictsPadding => CountsPadding;

    private protected override double[] Advantages(RewardTable rewards, Divergence? divergence, TrainingMetrics metrics)
    {
        var advantages = GroupAdvantages.Of(rewards, settings.RewardScaling, settings.RewardAggregation, out var deviations);
        rewards.Report(metrics, deviations);
        return advantages;
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var completions = new Completions(batch, CountsPadding);
        var predicted = completions.Predict(Policy, Rollouts.Temperature, settings.HasEntropyTerm);
        var terms = new GrpoTerms(completions, predicted, settings);
        var samplerRatios = terms.SamplerRatios();
        var perToken = terms.PerToken(samplerRatios);
        if (samplerRatios is not null) ReportSampler(metrics, completions, terms.Old, samplerRatios);
        if (settings.Beta > 0)
        {
            var kl = terms.Kl(completions.PerToken("ref_per_token_logps") ?? completions.PredictByReference(Policy, Rollouts.Temperature));
            perToken = perToken.add((settings.Loss == GrpoLoss.Gmpo ? completions.MeanOfRows(kl) : kl).mul(Constant(settings.Beta)), One);
            metrics.Add("kl", completions.Mean(kl), completions.Tokens);
        }
        var loss = Total(perToken, completions);
        if (settings.HasEntropyTerm)
        {
            metrics.Add("policy_loss", loss, completions.Rows);
            metrics.Add("entropy_coef", entropy.Coefficient);
            loss = loss.sub(EntropyMean(predicted.Entropies, terms.Trained, completions).mul(Constant(entropy.Applied)));
            if (is_grad_enabled()) entropy.Add(predicted.Entropies.detach().mul(terms.Trained).sum().item<float>(), terms.Trained.sum().item<float>());   // not in an evaluation
        }
        metrics.Add("entropy", completions.Mean(predicted.Entropies), completions.Tokens);
        ReportClips(metrics, completions, terms);
        return loss.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        entropy.Begin(step);
        return base.Prepare(batches, step, metrics);
    }

    /// <inheritdoc/>
    protected internal override void AfterStep(int step)
    {
        base.AfterStep(step);
        entropy.End();
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState()
        => settings.EntropyTarget is null ? base.SaveState() : new Dictionary<string, Tensor>(base.SaveState()) { [EntropyState] = tensor([entropy.State.Coefficient, entropy.State.Last], ScalarType.Float64) };

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        base.LoadState(state);
        if (settings.EntropyTarget is null) return;
        if (!state.TryGetValue(EntropyState, out var saved) || saved.numel() != 2) throw new TrainingException($"The checkpoint lacks {EntropyState}: it belongs to a run without {nameof(GrpoOptions.EntropyTarget)}.");
        var values = saved.to_type(ScalarType.Float64).data<double>().ToArray();
        entropy.State = (values[0], values[1]);
    }

    private Tensor Total(Tensor perToken, Completions completions)
    {
        var mask = completions.Mask;
        return settings.Loss switch
        {
            GrpoLoss.Grpo or GrpoLoss.Sapo => completions.MeanOfRows(perToken.expand_as(mask)).mean(),
            GrpoLoss.Bnpo => perToken.mul(mask).sum().div(mask.sum().clamp_min(Constant(1))),
            GrpoLoss.DrGrpo => perToken.mul(mask).sum().div(Constant((double)completions.Rows * Rollouts.MaxCompletionLength)),
            GrpoLoss.Luspo => perToken.mul(completions.Lengths).mean(),
            GrpoLoss.Gmpo => perToken.mean(),
            _ => perToken.mul(mask).sum().div(AllTokens(completions)),
        };
    }

    private static Tensor AllTokens(Completions completions) => (completions.PerRow("num_items_in_batch")?.sum() ?? completions.Mask.sum()).clamp_min(Constant(1));

    private Tensor EntropyMean(Tensor entropies, Tensor trained, Completions completions)
        => entropies.mul(trained).sum().div(settings.DividesByAllTokens ? AllTokens(completions) : trained.sum().clamp_min(Constant(1)));

    private void ReportClips(TrainingMetrics metrics, Completions completions, GrpoTerms terms)
    {
        using var _ = no_grad();
        if (settings.Loss == GrpoLoss.Sapo) return;
        if (terms.Phi is { } phi)
        {
            metrics.Add("vespo/phi_seq_mean", completions.Mean(phi), completions.Weight(phi));
            return;
        }
        var (low, high) = terms.Clipped();
        if (settings.Loss == GrpoLoss.Cispo) metrics.Add("cispo_clip_ratio", completions.Mean(high), completions.Weight(high));
        else ClipMetrics.Add(metrics, completions, low, high);
    }

    private static void ReportSampler(TrainingMetrics metrics, Completions completions, Tensor old, Tensor ratios)
    {
        using var _ = no_grad();
        var counted = completions.Mask.ne(Constant(0));
        var differences = old.detach().sub(completions.PerToken("sampling_per_token_logps")!).abs().masked_select(counted);
        if (differences.numel() == 0) return;
        metrics.Add("sampling/sampling_logp_difference/mean", differences.mean(), completions.Tokens);
        metrics.AddMaximum("sampling/sampling_logp_difference/max", differences.max().item<float>());
        var values = ratios.size(1) == 1 ? ratios : ratios.masked_select(counted);
        metrics.AddMinimum("sampling/importance_sampling_ratio/min", values.min().item<float>());
        metrics.Add("sampling/importance_sampling_ratio/mean", values.mean(), values.numel());
        metrics.AddMaximum("sampling/importance_sampling_ratio/max", values.max().item<float>());
    }
}
