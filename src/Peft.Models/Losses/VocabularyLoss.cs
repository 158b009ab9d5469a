using System.Collections;
using System.Runtime.InteropServices;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cross-entropy over the vocabulary, from hidden states and the head.</summary>
internal sealed class VocabularyLoss(AdaptableModule head, double? softCap)
{
    // Maximum number of logits in memory at a time: with a frozen head, and with a trained one.
    private const long MaxLogits = 1 << 22, MaxTrainedLogits = 1 << 26;

    private readonly ICollection[] hooks = [.. ModuleInternals.Hooks(head)];

    /// <summary>The loss for predicting the next token.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>, not shifted.</param>
    /// <param name="packedLengths">Lengths of packed sequences: a sequence's last token does not predict the next one's first.</param>
    public Tensor NextToken(Tensor hidden, Tensor labels, IReadOnlyList<int>? packedLengths)
    {
        using var scope = NewDisposeScope();
        CheckShape(hidden, labels);
        return OverLabels(hidden.narrow(1, 0, labels.size(1) - 1), Next(labels, packedLengths)).MoveToOuterDisposeScope();
    }

    /// <summary>Predictions of the next token at each position, <c>[batch, sequence − 1]</c>.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>, not shifted.</param>
    /// <param name="packedLengths">Lengths of packed sequences.</param>
    /// <param name="statistics">Statistics to compute.</param>
    /// <param name="temperature">Divisor of the logits.</param>
    /// <param name="differentiatesEntropy">True for entropies with a gradient.</param>
    public TokenPredictions Predict(Tensor hidden, Tensor labels, IReadOnlyList<int>? packedLengths, TokenStatistics statistics, double temperature, bool differentiatesEntropy)
    {
        using var scope = NewDisposeScope();
        CheckShape(hidden, labels);
        var next = Next(labels, packedLengths);
        var shape = next.Sizes();
        var targets = next.reshape(-1).to_type(ScalarType.Int64);
        var labelled = targets.ne(Constant(Batch.IgnoredLabel));
        var kept = labelled.nonzero().squeeze(1);
        var tokens = targets.index_select(0, kept);
        var rows = hidden.narrow(1, 0, shape[1]).reshape(-1, hidden.size(-1)).index_select(0, kept);
        var collected = new StatisticsOfRows(statistics, kept.size(0), hidden.device);
        var values = WithLabelErrors(tokens, () => Measure(rows, new TargetLogProbabilities(tokens, temperature, collected, differentiatesEntropy)));
        Tensor? Spread(Tensor? values) => values is null ? null : zeros(targets.size(0), ScalarType.Float32, hidden.device).index_copy(0, kept, values).view(shape).MoveToOuterDisposeScope();
        return new(Spread(values[0])!, labelled.to_type(ScalarType.Float32).view(shape).MoveToOuterDisposeScope())
        {
            Entropy = Spread(differentiatesEntropy ? values[1] : collected[TokenStatistics.Entropy]),
            LogSquaredSum = Spread(collected[TokenStatistics.LogSquaredSum]),
            MeanLogit = Spread(collected[TokenStatistics.MeanLogit]),
            IsGreedy = Spread(collected[TokenStatistics.IsGreedy]),
            MeanLogitOfAllPositions = statistics.HasFlag(TokenStatistics.MeanLogitOfAllPositions) ? MeanLogits(hidden, temperature).MoveToOuterDisposeScope() : null,
        };
    }

    // Without a soft cap, the mean logit is the product with the mean row of the head: no logits are needed.
    private Tensor MeanLogits(Tensor hidden, double temperature)
    {
        using var _ = no_grad();
        var rows = hidden.detach().reshape(-1, hidden.size(-1));
        var means = OnlyWeight is { } weight && IsFrozen(weight) && softCap is null ? nn.functional.linear(rows, weight.MultiplyTransposed(ones([1, weight.Shape[0]], weight.ComputeType, rows.device)).div(Constant(weight.Shape[0]))).to_type(ScalarType.Float32).squeeze(1)
            : cat([.. Enumerable.Range(0, (int)((rows.size(0) + Chunk - 1) / Chunk)).Select(i => MeanOf(rows.narrow(0, i * Chunk, Math.Min(Chunk, rows.size(0) - i * Chunk))))]);
        return means.div(Constant(temperature)).view(hidden.size(0), hidden.size(1));
    }

    private Tensor MeanOf(Tensor rows)
    {
        using var scope = NewDisposeScope();
        return Logits(rows).mean([-1]).MoveToOuterDisposeScope();
    }

    /// <summary>The label of each position's next token, <c>[batch, sequence − 1]</c>; the last token of a packed sequence predicts nothing.</summary>
    public static Tensor Next(Tensor labels, IReadOnlyList<int>? packedLengths)
    {
        var targets = labels.narrow(1, 1, labels.size(1) - 1);
        if (packedLengths is not { Count: > 1 }) return targets;
        targets = targets.clone();
        long end = 0;
        foreach (var each in packedLengths.SkipLast(1))
        {
            end += each;
            targets.narrow(1, end - 1, 1).fill_(Constant(Batch.IgnoredLabel));
        }
        return targets;
    }

    /// <summary>Computes values from the logits of hidden states <c>[rows, hidden]</c>: <c>[values, rows]</c>.</summary>
    public Tensor Measure(Tensor rows, RowMeasure measure)
    {
        if (OnlyWeight is not { } weight || (rows.size(0) == 0 && !IsFrozen(weight))) return measure.Values(Logits(rows), 0);
        // With a trained head, chunks require computing the logits again in the backward pass: only if there are many.
        var keeps = !IsFrozen(weight) && rows.size(0) * weight.Shape[0] <= MaxTrainedLogits;
        return ChunkedHead.Run(rows, new(measure, softCap ?? 0, keeps ? rows.size(0) : Chunk, weight, keeps));
    }

    /// <summary>The logits of hidden states, in float32.</summary>
    public Tensor Logits(Tensor rows)
    {
        var logits = head.call(rows);
        if (softCap is { } cap) logits = Cap(logits, cap);
        return logits.to_type(ScalarType.Float32);
    }

    private static bool IsFrozen(WeightStorage weight) => weight.Parameter is not { requires_grad: true };

    // The module itself multiplies by weights that quantize inputs to 8 bits, and by those whose gradient is collected, and calls its hooks.
    private WeightStorage? OnlyWeight => !Array.Exists(hooks, each => each.Count > 0) && head.OnlyWeight is { Gradient: null } weight and not IQuantizesInputs { QuantizesInputs: true } ? weight : null;

    private long Chunk => Math.Max(1, MaxLogits / head.Storage.Shape[0]);

    /// <summary>The loss for predicting the label at the same position.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>.</param>
    /// <param name="prepare">Computes the head's input from rows of hidden states.</param>
    public Tensor SameToken(Tensor hidden, Tensor labels, Func<Tensor, Tensor> prepare)
    {
        using var scope = NewDisposeScope();
        CheckShape(hidden, labels);
        return OverLabels(hidden, labels, prepare).MoveToOuterDisposeScope();
    }

    private static void CheckShape(Tensor hidden, Tensor labels)
    {
        TensorRules.RequireWhole(labels, nameof(labels));
        if (labels.dim() != 2 || labels.size(0) != hidden.size(0) || labels.size(1) != hidden.size(1))
            throw new ArgumentException($"The labels are [{string.Join(", ", labels.shape)}], but the model's output has [{hidden.size(0)}, {hidden.size(1)}] positions: one label each.", nameof(labels));
    }

    private Tensor OverLabels(Tensor hidden, Tensor targets, Func<Tensor, Tensor>? prepare = null)
    {
        var flatTargets = targets.reshape(-1).to_type(ScalarType.Int64);
        var rows = hidden.reshape(-1, hidden.size(-1));
        var kept = flatTargets.ne(Constant(Batch.IgnoredLabel)).nonzero().squeeze(1);
        var count = kept.size(0);
        if (count == 0) return rows.sum().mul(Constant(0));
        if (count < flatTargets.size(0))
        {
            rows = rows.index_select(0, kept);
            flatTargets = flatTargets.index_select(0, kept);
        }
        return WithLabelErrors(flatTargets, () => Mean(prepare is null ? rows : prepare(rows), flatTargets));
    }

    private Tensor WithLabelErrors(Tensor targets, Func<Tensor> compute)
    {
        try
        {
            return compute();
        }
        catch (Exception error) when (error is ExternalException or ArgumentException { InnerException: ExternalException } && TensorRules.Outside(targets, head.Storage.Shape[0]) is not null)
        {
            throw new ArgumentException($"Label {TensorRules.Outside(targets, head.Storage.Shape[0])} is outside the model's vocabulary of {head.Storage.Shape[0]} "
                + $"(ignored positions have the label {Batch.IgnoredLabel}): was the text encoded for another model?", nameof(targets));
        }
    }

    private Tensor Mean(Tensor rows, Tensor targets) => Measure(rows, new TargetLogProbabilities(targets)).mean().neg();

    /// <summary>Soft cap: c·tanh(z/c).</summary>
    public static Tensor Cap(Tensor logits, double cap)
    {
        using var small = logits.div(Constant(cap));
        using var bent = small.tanh();
        return bent.mul(Constant(cap));
    }
}
