using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Generalized knowledge distillation (Agarwal et al. 2024, arXiv:2306.13649): the student learns the teacher's distribution over the next token, on texts of the dataset and on texts that it
/// generates itself.
/// </summary>
/// <remarks>Batches hold ids, mask and labels of completions. A generated completion replaces that of the dataset: its prompt is what precedes the first label, so that rows need a prompt: <c>prompt</c> and <c>completion</c>, or conversations with <see cref="SftDatasetOptions.LastMessageOnly"/>.</remarks>
/// <param name="student">The student: a <see cref="Models.CausalLM"/>, usually with an adapter.</param>
/// <param name="teacher">The teacher, with the student's vocabulary: a separate model, or another adapter of the student's base.</param>
/// <param name="options">Settings; the defaults if null.</param>
public sealed class GkdObjective(ITrainable student, Reference teacher, GkdOptions? options = null) : ReferencedObjective(student, teacher ?? throw new ArgumentNullException(nameof(teacher)))
{
    private readonly GkdOptions settings = options ?? new();

    /// <inheritdoc/>
    protected internal override bool UsesDropout => false;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options) => [.. settings.Errors(), .. Policy.Errors(model)];

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        using var scope = NewDisposeScope();
        var labels = LabelsOf(batch);
        var input = ModelInput.From(batch);
        var divergences = Policy.Model.Measure(Policy.Model.PredictingStates(input, labels), new TeacherDivergence(Policy, Policy.ByReference(model => model.PredictingStates(input, labels)), settings.Beta));
        var tokens = Math.Max(1, divergences.numel());
        return divergences.sum().div(batch.Extra.TryGetValue("num_items_in_batch", out var items) ? items.to_type(ScalarType.Float32).sum() : full([], Constant((double)tokens), ScalarType.Float32, divergences.device)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(metrics);
        return [.. batches.Select(batch => Prepare(batch, metrics))];
    }

    private Batch Prepare(Batch batch, TrainingMetrics metrics)
    {
        using var scope = NewDisposeScope();
        var onPolicy = rand(1).item<float>() < settings.Lambda;
        metrics.Add("on_policy", onPolicy ? 1 : 0);
        if (!onPolicy && !settings.SequenceLevel) return batch;
        var rollouts = new RolloutOptions { Rewards = [], MaxCompletionLength = settings.MaxNewTokens, Temperature = settings.Temperature };
        var seed = randint(long.MaxValue, [1], ScalarType.Int64).item<long>();
        using var prompts = PromptsOf(batch);
        if (prompts.AttentionMask!.sum(dim: 1).le(One).nonzero() is var none && none.size(0) > 0)
            throw new TrainingException($"Row {none[0].item<long>()} of the batch has no prompt: its labels begin with its first tokens, so that there is nothing to complete. Use rows of prompt and completion, or conversations with {nameof(SftDatasetOptions)}.{nameof(SftDatasetOptions.LastMessageOnly)}; texts can be distilled with Lambda 0 and without SequenceLevel.");
        var completions = onPolicy ? new Sampling(Policy.Model, rollouts, 1).Run(prompts, seed) : Policy.ByReference(model => new Sampling(model, rollouts, 1).Run(prompts, seed));
        var made = Sampling.ToBatch(completions, new Sampling(Policy.Model, rollouts, 1).Padding, masksTruncated: false, batch.InputIds.device);
        metrics.Add("completions/mean_length", completions.Average(each => (double)each.Tokens.Count));
        Tensor Keep(Tensor each) => each.DetachFromDisposeScope();
        return new() { InputIds = Keep(made.InputIds), AttentionMask = Keep(made.AttentionMask!), Labels = Keep(new Completions(made).Labels), Weight = completions.Sum(each => each.Tokens.Count) };
    }

    // What precedes the first label.
    private static Batch PromptsOf(Batch batch)
    {
        var labels = LabelsOf(batch);
        var before = labels.ne(Constant(Batch.IgnoredLabel)).to_type(ScalarType.Int64).cumsum(1).eq(Constant(0)).to_type(ScalarType.Int64);
        return new() { InputIds = batch.InputIds.alias(), AttentionMask = batch.AttentionMask is { } mask ? before.mul(mask) : before };
    }

    private static Tensor LabelsOf(Batch batch)
    {
        TensorRules.RequireIds(batch.InputIds, nameof(batch.InputIds));
        if (batch.PackedLengths is not null) throw new ArgumentException("Distillation takes batches that are not packed: set packing off.", nameof(batch));
        return TensorRules.RequireAlive(batch.Labels, nameof(batch.Labels)).shape.SequenceEqual(batch.InputIds.shape) ? batch.Labels!
            : throw new ArgumentException($"The labels must have the shape of the ids, [{string.Join(", ", batch.InputIds.shape)}], but are [{string.Join(", ", batch.Labels!.shape)}].", nameof(batch));
    }
}
