using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Supervised fine-tuning: the model learns the labelled tokens of texts, completions or conversations.</summary>
/// <remarks>
/// Batches hold ids and labels, as those of <see cref="SftDataset"/>. The loss is a mean over the labels of all batches of a step. Metrics: <c>entropy</c> and <c>mean_token_accuracy</c> of the labelled tokens, and
/// <c>num_tokens</c>, the tokens that the model was trained on so far.
/// </remarks>
/// <param name="model">The model to train: a <see cref="CausalLM"/>, usually with an adapter.</param>
/// <param name="options">Settings; the defaults if null.</param>
public sealed class SftObjective(ITrainable model, SftOptions? options = null) : Objective
{
    private readonly SftOptions settings = options ?? new();
    private readonly CausalLM model = (model ?? throw new ArgumentNullException(nameof(model))).Module as CausalLM ?? throw new AdapterOptionsException(
        $"Supervised fine-tuning trains a {nameof(CausalLM)}, which {model.Module.GetType().Name} is not: load the model with {nameof(CausalLM)}.FromPretrained. The trainer trains other models by their own loss, without an objective.");
    private readonly Func<long[], double, Device, Tensor>? noise;
    private long trainedTokens;

    /// <summary>With noise from elsewhere: from its shape, bound and device.</summary>
    internal SftObjective(ITrainable model, SftOptions options, Func<long[], double, Device, Tensor> noise) : this(model, options) => this.noise = noise;

    private bool AddsNoise => settings.NeftuneAlpha is not null && model.training;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Errors(ITrainable model, TrainingOptions options)
    {
        foreach (var error in settings.Errors()) yield return error;
        if (!ReferenceEquals(model.Module, this.model)) yield return "The objective was made for another model than the trainer's: pass both the same.";
    }

    /// <inheritdoc/>
    /// <remarks>With noise, the batch stays whole: the noise depends on its longest row, and random numbers on the order in which parts run.</remarks>
    protected internal override IReadOnlyList<Batch> Divide(Batch batch, int parts) => AddsNoise ? [batch] : model.Divide(batch, parts);

    /// <inheritdoc/>
    protected internal override IReadOnlyList<Batch> Prepare(IReadOnlyList<Batch> batches, int step, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batches);
        ArgumentNullException.ThrowIfNull(metrics);
        trainedTokens += batches.Sum(batch => batch.Tokens);
        metrics.Add("num_tokens", trainedTokens);
        return batches;
    }

    /// <inheritdoc/>
    protected internal override Tensor Loss(Batch batch, TrainingMetrics metrics)
    {
        ArgumentNullException.ThrowIfNull(batch);
        ArgumentNullException.ThrowIfNull(metrics);
        var labels = batch.Labels ?? throw new ArgumentException($"The batch has no labels, which say what to learn: use an {nameof(SftDataset)}, or set {nameof(Batch)}.{nameof(Batch.Labels)}.", nameof(batch));
        if (settings is { Loss: SftLoss.Nll, LabelSmoothing: 0, TokenMetrics: false } && !AddsNoise) return model.Loss(batch);
        using var scope = NewDisposeScope();
        using var tasks = model.TasksOf(batch);
        using var pass = PeftModel.Of(model)?.Pass();
        var input = Noisy(ModelInput.From(batch));
        return (settings.LabelSmoothing > 0 ? Smoothed(input, labels, metrics) : Unsmoothed(input, labels, metrics)).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState() => new Dictionary<string, Tensor> { ["num_tokens"] = tensor(new[] { trainedTokens }) };

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        if (!state.TryGetValue("num_tokens", out var tokens)) throw new TrainingException("The checkpoint has no state of supervised fine-tuning (num_tokens): it belongs to a run with another objective.");
        trainedTokens = tokens.item<long>();
    }

    private Tensor Unsmoothed(ModelInput input, Tensor labels, TrainingMetrics metrics)
    {
        var predictions = model.Predict(input, labels, settings.TokenMetrics ? TokenStatistics.Entropy | TokenStatistics.IsGreedy : TokenStatistics.None);
        var count = predictions.Mask.sum();
        Report(metrics, predictions.Entropy?.sum(), predictions.IsGreedy?.sum(), count);
        var learned = predictions.LogProbabilities;
        if (settings.Loss == SftLoss.Dft) learned = learned.mul(learned.detach().exp()).mul(predictions.Mask);
        return MeanOf(learned.sum().neg(), count);
    }

    // (1 − ε)·mean −log p of the label + ε·mean over labels and vocabulary of −log p.
    private Tensor Smoothed(ModelInput input, Tensor labels, TrainingMetrics metrics)
    {
        if (TensorRules.RequireAlive(labels, nameof(labels)).shape is not [var rows, > 1 and var length] || rows != (input.InputIds ?? input.Embeddings!).size(0) || length != (input.InputIds ?? input.Embeddings!).size(1))
            throw new ArgumentException($"The labels are [{string.Join(", ", labels.shape)}], but the batch has [{string.Join(", ", (input.InputIds ?? input.Embeddings!).shape.Take(2))}] tokens: one label each, and at least 2 tokens a row.", nameof(labels));
        TensorRules.RequireWhole(labels, nameof(labels));
        var width = length - 1;
        var targets = VocabularyLoss.Next(labels, input.PackedLengths).reshape(-1).to_type(ScalarType.Int64);
        var kept = targets.ne(Constant(Batch.IgnoredLabel)).nonzero().squeeze(1);
        var all = model.call(input);
        // The logits of virtual tokens come first.
        var logits = all.narrow(1, all.size(1) - width - 1, width).reshape(-1, all.size(2)).index_select(0, kept).to_type(ScalarType.Float32);
        targets = targets.index_select(0, kept).unsqueeze(1);
        if (TensorRules.Outside(targets, logits.size(1)) is { } outside) throw new ArgumentException($"Label {outside} is outside the model's vocabulary of {logits.size(1)}: was the text encoded for another model?", nameof(labels));
        var logProbabilities = nn.functional.log_softmax(logits, -1);
        var count = ones(kept.size(0), ScalarType.Float32, logits.device).sum();
        if (settings.TokenMetrics)
        {
            using var _ = no_grad();
            Report(metrics, logProbabilities.exp().mul(logProbabilities).sum().neg(), logits.argmax(-1, true).eq(targets).sum(), count);
        }
        var smoothing = settings.LabelSmoothing;
        var label = logProbabilities.gather(1, targets).sum().mul(Constant(smoothing - 1));
        return MeanOf(label.sub(logProbabilities.sum().mul(Constant(smoothing / logits.size(1)))), count);
    }

    private static void Report(TrainingMetrics metrics, Tensor? entropy, Tensor? greedy, Tensor count)
    {
        if (entropy is null || greedy is null) return;
        using var _ = no_grad();
        var tokens = (double)count.item<float>();
        metrics.Add("entropy", MeanOf(entropy, count), tokens);
        metrics.Add("mean_token_accuracy", MeanOf(greedy, count), tokens);
    }

    // 0 without any label.
    private static Tensor MeanOf(Tensor sum, Tensor count) => sum.div(count.clamp_min(Constant(1)));

    private ModelInput Noisy(ModelInput input)
    {
        if (!AddsNoise || input.InputIds is not { } ids) return input;
        var embedded = model.EmbedTokens(ids);
        var bound = settings.NeftuneAlpha!.Value / Math.Sqrt(embedded.size(1) * embedded.size(2));
        var added = noise is null ? empty_like(embedded, requires_grad: false).uniform_(-bound, bound) : noise(embedded.shape, bound, embedded.device);
        return input with { InputIds = null, TokenIds = ids, Embeddings = embedded.add(added, One) };
    }
}
