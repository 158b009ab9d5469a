using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Base of objectives whose policy learns from completions that it generates itself. The dataset gives prompts: <see cref="Batch.InputIds"/> and their mask, padded on either side.
/// Before a step the objective generates completions, scores them, and computes the log-probabilities that the loss compares with. Batches that hold completions are used as they are.
/// </summary>
/// <remarks>
/// A dataset's batch size counts prompts. Its completions, <see cref="RolloutOptions.Generations"/> of each prompt, last for <see cref="RolloutOptions.MiniBatches"/> ×
/// <see cref="RolloutOptions.Iterations"/> optimizer steps. Random numbers follow from the trainer's seed and the step; a checkpoint holds completions that are still in use.
/// </remarks>
public abstract class OnlineObjective : ReferencedObjective
{
    private const string StatePrefix = "rollout", SamplesName = "completions";

    private readonly int least;
    private List<List<Batch>>? held;   // for each batch of a step, its mini-batches

    private protected OnlineObjective(ITrainable policy, RolloutOptions rollouts, Reference? reference, int defaultGenerations, int leastGenerations = 2)
        : base(policy, reference)
    {
        Rollouts = rollouts ?? throw new ArgumentNullException(nameof(rollouts));
        least = leastGenerations;
        Generations = rollouts.Generations ?? defaultGenerations;
    }

    internal RolloutOptions Rollouts { get; }

    internal int Generations { get; }

    /// <inheritdoc/>
    protected internal override bool UsesDropout => Rollouts.DisableDropout is { } disables ? !disables : DropsByDefault;

    private protected virtual bool DropsByDefault => false;

    // Divides the logits of policy and reference.
    private protected virtual double Temperature => Rollouts.Temperature;

    /// <inheritdoc/>
    protected internal override int StepsPerBatch => checked(Rollouts.MiniBatches * Rollouts.Iterations);

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
        => [.. Rollouts.Errors(Generations, least), .. CallsTools || Rollouts.Tools.Count == 0 ? Array.Empty<string>() : [$"{nameof(Rollouts.Tools)} are for GRPO and RLOO only: leave them out."], .. NeedsReference ? Policy.Errors(model) : Policy.ModelErrors(model)];

    private protected virtual bool NeedsOld => StepsPerBatch > 1;

    private protected virtual bool MasksTruncated => false;

    private protected virtual bool CallsTools => false;

    private protected virtual bool PredictsPadding => false;

    /// <summary>The advantage of each completion.</summary>
    /// <param name="rewards">The rewards.</param>
    /// <param name="divergence">The divergence of the policy from the reference; null without a reference or log-probabilities at generation.</param>
    /// <param name="metrics">Receives the metrics.</param>
    private protected abstract double[] Advantages(RewardTable rewards, Divergence? divergence, TrainingMetrics metrics);

    /// <summary>Changes the completions of a step into what the loss needs.</summary>
    /// <param name="batches">The completions, of equal widths.</param>
    /// <param name="training">False in an evaluation, which changes no state.</param>
    /// <param name="metrics">Receives the metrics.</param>
    private protected virtual IReadOnlyList<Batch> Completed(IReadOnlyList<Batch> batches, bool training, TrainingMetrics metrics) => batches;

    /// <summary>Number of times that the completions are divided into mini-batches anew.</summary>
    private protected virtual int Divisions => 1;

    /// <summary>Number of blocks of rows, the same rows of which belong together.</summary>
    private protected virtual int Blocks => 1;

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(metrics);
        if (batches.Count > 0 && batches.All(batch => batch.Extra.ContainsKey(Completions.MaskName))) return batches;
        var position = step % StepsPerBatch;
        if (position == 0)
        {
            Forget();
            held = [.. Generate(batches, step, Rollouts.MiniBatches, training: true, metrics, Divided)];
        }
        if (held is null) throw new TrainingException($"Step {step + 1} uses completions of an earlier step, which the checkpoint does not hold: resume from a checkpoint of this objective and these settings.");
        return [.. held.Select(each => each[position % each.Count]).Select(batch => batch.Rows(0, batch.InputIds.size(0), batch.Weight)!)];
    }

    /// <inheritdoc/>
    /// <remarks>Completions of prompts are generated and scored as in training.</remarks>
    protected internal override Batch PrepareEvaluation(Batch batch, int step, long seed, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        if (batch.Extra.ContainsKey(Completions.MaskName)) return batch;
        manual_seed(seed);
        return Generate([batch], step, miniBatches: 1, training: false, metrics, made => Part(made, arange(Constant(0), Constant(made.InputIds.size(0) / Blocks), One)))[0];
    }

    /// <inheritdoc/>
    protected internal override void AfterStep(int step)
    {
        base.AfterStep(step);
        if (step % StepsPerBatch == 0) Forget();
    }

    private void Forget()
    {
        foreach (var batch in held?.SelectMany(each => each) ?? []) batch.Dispose();
        held = null;
    }

    /// <summary>Generates completions, those of a prompt adjacent.</summary>
    private protected virtual IReadOnlyList<Completion> Sample(Batch prompts, int generations) => new Sampling(Policy.Model, Rollouts, generations).Run(prompts, NewSeed());

    /// <summary>A seed from torch's generator, which the trainer seeds for each step.</summary>
    private protected static long NewSeed() => randint(long.MaxValue, [1], ScalarType.Int64).item<long>();

    private IReadOnlyList<Completion> WithTools(IReadOnlyList<Completion> completions, Sampling sampling)
        => Rollouts.Tools.Count == 0 ? completions
            : new ToolRounds(Rollouts, Policy.Model.Spec.MaxPositions, sampling.EndTokens, (prompts, most) => sampling.Continue(prompts, most, NewSeed())).Run(completions, Cancellation);

    private List<T> Generate<T>(IReadOnlyList<Batch> prompts, int step, int miniBatches, bool training, TrainingMetrics metrics, Func<Batch, T> keep)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var generations = training ? Generations : Rollouts.EvaluationGenerations ?? Generations;
        var sampling = new Sampling(Policy.Model, Rollouts, generations);
        var padding = sampling.Padding;
        var completions = prompts.Select(batch => WithTools(Sample(batch, generations), sampling)).ToList();
        var all = completions.SelectMany(each => each).ToList();
        // As in TRL, all completions of a step are padded to the longest.
        var width = all.Max(each => each.Tokens.Count);
        var batches = completions.Select(each => Predicted(Sampling.ToBatch(each, padding, MasksTruncated, prompts[0].InputIds.device, width))).ToList();
        var rewards = new RewardTable([.. Rollouts.Rewards.Select(reward => reward.Name)], [.. Rollouts.Rewards.Select(reward => reward.Weight)], RewardFunction.Call(Rollouts.Rewards, all, Cancellation), generations);
        var advantages = Advantages(rewards, DivergenceOf(batches), metrics);
        Report(all, rewards, training ? step + 1 : step, training, metrics);
        var tokens = batches.Sum(batch => new Completions(batch).Tokens);
        var start = 0;
        for (var i = 0; i < batches.Count; start += completions[i++].Count)
        {
            var rows = completions[i].Count;
            batches[i] = With(batches[i], ("advantages", tensor(advantages.AsSpan(start, rows).ToArray().Select(value => (float)value).ToArray()).to(batches[i].InputIds.device)),
                // The rows' fractions of a step sum to the tokens of all completions.
                ("num_items_in_batch", full([rows], Constant(tokens * miniBatches / all.Count), ScalarType.Float32, batches[i].InputIds.device)));
        }
        return [.. Completed(batches, training, metrics).Select(keep)];
    }

    /// <summary>True at the end tokens of completions, <c>[rows, width]</c>.</summary>
    internal Tensor EndTokens(Batch batch)
    {
        var own = new Completions(batch).Of(batch.InputIds);
        return new Sampling(Policy.Model, Rollouts, 1).EndTokens.Select(end => own.eq(Constant(end))).Aggregate(zeros_like(own).to_type(ScalarType.Bool), (a, b) => a.logical_or(b));
    }

    /// <summary>A batch with further tensors.</summary>
    internal static Batch With(Batch batch, params (string Name, Tensor Value)[] more) => new()
    {
        InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Weight = batch.Weight,
        Extra = batch.Extra.Concat(more.Select(each => KeyValuePair.Create(each.Name, each.Value))).ToDictionary(pair => pair.Key, pair => pair.Value),
    };

    // Log-probabilities as the loss will compute them, mini-batch by mini-batch.
    private Batch Predicted(Batch batch)
    {
        if (!NeedsOld && !NeedsReference) return batch;
        var more = new List<(string, Tensor)>();
        if (NeedsOld) more.Add(("old_per_token_logps", InParts(batch, part => part.Predict(Policy, Temperature).LogProbabilities)));
        if (NeedsReference) more.Add(("ref_per_token_logps", InParts(batch, part => part.PredictByReference(Policy, Temperature))));
        return With(batch, [.. more]);
    }

    private Tensor InParts(Batch batch, Func<Completions, Tensor> predict)
    {
        var rows = batch.InputIds.size(0);
        var size = Math.Max(1, rows / Rollouts.MiniBatches);
        var parts = new List<Tensor>();
        for (long start = 0; start < rows; start += size)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(size, rows - start);
            parts.Add(predict(new Completions(batch.Rows(start, count, count)!, PredictsPadding)).MoveToOuterDisposeScope());
        }
        return cat(parts);
    }

    private Divergence? DivergenceOf(List<Batch> batches)
        => NeedsOld && NeedsReference ? Divergence.Of([.. batches.Select(batch => (batch.Extra["old_per_token_logps"].sub(batch.Extra["ref_per_token_logps"]), new Completions(batch).Mask))]) : null;

    // Shuffled, so that a mini-batch holds completions of several prompts.
    private List<Batch> Divided(Batch batch)
    {
        var rows = batch.InputIds.size(0) / Blocks;
        var count = (int)Math.Min(Rollouts.MiniBatches, rows);
        return [.. Enumerable.Range(0, Divisions).SelectMany(_ =>
        {
            var order = count == 1 ? arange(Constant(0), Constant(rows), One) : randperm(rows);
            return Enumerable.Range(0, count).Select(part => Part(batch, order.narrow(0, rows * part / count, rows * (part + 1) / count - rows * part / count))).ToList();
        })];
    }

    // The given rows of each block.
    private Batch Part(Batch batch, Tensor order)
    {
        var rows = batch.InputIds.size(0) / Blocks;
        var index = cat([.. Enumerable.Range(0, Blocks).Select(block => order.to_type(ScalarType.Int64).add(Constant(block * rows), One))]).to(batch.InputIds.device);
        Tensor Rows(Tensor all) => all.index_select(0, index).DetachFromDisposeScope();
        return new() { InputIds = Rows(batch.InputIds), AttentionMask = Rows(batch.AttentionMask!), Weight = order.size(0), Extra = batch.Extra.ToDictionary(pair => pair.Key, pair => Rows(pair.Value)) };
    }

    private void Report(List<Completion> completions, RewardTable rewards, int step, bool training, TrainingMetrics metrics)
    {
        double[] lengths = [.. completions.Select(each => (double)each.Written)], ended = [.. completions.Where(each => !each.IsTruncated).Select(each => (double)each.Written).DefaultIfEmpty(0)];
        metrics.Add("completions/mean_length", lengths.Average());
        metrics.Add("completions/min_length", lengths.Min());
        metrics.Add("completions/max_length", lengths.Max());
        metrics.Add("completions/clipped_ratio", completions.Average(each => each.IsTruncated ? 1.0 : 0));
        metrics.Add("completions/mean_terminated_length", ended.Average());
        metrics.Add("completions/min_terminated_length", ended.Min());
        metrics.Add("completions/max_terminated_length", ended.Max());
        if (Rollouts.Tools.Count > 0)
        {
            var calls = completions.Sum(each => each.ToolCalls.Count);
            metrics.Add("tools/call_frequency", (double)calls / completions.Count);
            metrics.Add("tools/failure_frequency", calls == 0 ? 0 : (double)completions.Sum(each => each.FailedToolCalls) / calls);
        }
        var sums = rewards.Sums();
        if (training && Generations > 1 && sums.Chunk(Generations).All(group => group.All(sum => sum.Equals(group[0])))) OnlineLog.NoSignal(Rollouts.Logger, step);
        if (training && Array.FindIndex(sums, double.IsNaN) is >= 0 and var first) OnlineLog.Unrewarded(Rollouts.Logger, step, sums.Count(double.IsNaN), sums.Length, completions[first].PromptText ?? string.Join(' ', completions[first].Prompt));
        // Of an evaluation those of its first batch.
        if (!training && metrics.Samples().ContainsKey(SamplesName)) return;
        for (var i = 0; i < Math.Min(Rollouts.LoggedSamples, completions.Count); i++)
        {
            var (prompt, completion) = (completions[i].PromptText ?? string.Join(' ', completions[i].Prompt), completions[i].Text ?? string.Join(' ', completions[i].Tokens));
            OnlineLog.Sample(Rollouts.Logger, i, step, sums[i], prompt, completion);
            metrics.AddSample(SamplesName, string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{prompt} → {completion} (reward {sums[i]:G4})"));
        }
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState()
    {
        var state = new Dictionary<string, Tensor>(base.SaveState());
        for (var i = 0; i < held?.Count; i++)
            for (var part = 0; part < held[i].Count; part++)
            {
                var (batch, prefix) = (held[i][part], $"{StatePrefix}.{i}.{part}.");
                state[prefix + nameof(batch.InputIds)] = batch.InputIds.alias();
                state[prefix + nameof(batch.AttentionMask)] = batch.AttentionMask!.alias();
                foreach (var (name, value) in batch.Extra) state[prefix + name] = value.alias();
            }
        return state;
    }

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        base.LoadState(state);
        Forget();
        var batches = new SortedDictionary<(int, int), Dictionary<string, Tensor>>();
        foreach (var (key, value) in state.Where(pair => pair.Key.StartsWith(StatePrefix + ".", StringComparison.Ordinal)))
        {
            if (key.Split('.', 4) is not [_, var batch, var part, var name] || !int.TryParse(batch, out var i) || !int.TryParse(part, out var j)) throw new TrainingException($"The checkpoint's state '{key}' is not that of completions.");
            if (!batches.TryGetValue((i, j), out var tensors)) batches[(i, j)] = tensors = [];
            tensors[name] = value.to(Policy.Model.Device, copy: true).DetachFromDisposeScope();
        }
        if (batches.Count > 0) held = [.. batches.GroupBy(pair => pair.Key.Item1).Select(group => group.Select(pair => Restored(pair.Value)).ToList())];
    }

    private Batch Restored(Dictionary<string, Tensor> tensors)
    {
        if (!tensors.Remove(nameof(Batch.InputIds), out var ids) || !tensors.Remove(nameof(Batch.AttentionMask), out var mask) || !tensors.ContainsKey(Completions.MaskName))
            throw new TrainingException("The checkpoint's completions lack token ids or masks: it belongs to another objective.");
        return new() { InputIds = ids, AttentionMask = mask, Extra = tensors, Weight = ids.size(0) / Blocks };
    }
}
