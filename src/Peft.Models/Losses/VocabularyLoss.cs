using System.Runtime.InteropServices;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cross-entropy over the vocabulary, from hidden states and the head.</summary>
internal sealed class VocabularyLoss(AdaptableModule head, double? softCap)
{
    /// <summary>Maximum number of logits in memory at a time.</summary>
    private const long MaxLogits = 1 << 22;

    /// <summary>The loss for predicting the next token.</summary>
    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>, not shifted.</param>
    /// <param name="packedLengths">Lengths of packed sequences: a sequence's last token does not predict the next one's first.</param>
    public Tensor NextToken(Tensor hidden, Tensor labels, IReadOnlyList<int>? packedLengths)
    {
        using var scope = NewDisposeScope();
        CheckShape(hidden, labels);
        var length = labels.shape[1];
        var targets = labels.narrow(1, 1, length - 1);
        if (packedLengths is { Count: > 1 })
        {
            targets = targets.clone();
            long end = 0;
            foreach (var each in packedLengths.SkipLast(1))
            {
                end += each;
                targets.narrow(1, end - 1, 1).fill_(Kept(Batch.IgnoredLabel));
            }
        }
        return OverLabels(hidden.narrow(1, 0, length - 1), targets).MoveToOuterDisposeScope();
    }

    /// <summary>The loss for predicting each position's own label.</summary>
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
        if (labels.dim() != 2 || labels.shape[0] != hidden.shape[0] || labels.shape[1] != hidden.shape[1])
            throw new ArgumentException($"The labels are [{string.Join(", ", labels.shape)}], but the model's output has [{hidden.shape[0]}, {hidden.shape[1]}] positions: one label each.", nameof(labels));
    }

    private Tensor OverLabels(Tensor hidden, Tensor targets, Func<Tensor, Tensor>? prepare = null)
    {
        var flatTargets = targets.reshape(-1).to_type(ScalarType.Int64);
        var rows = hidden.reshape(-1, hidden.shape[^1]);
        var kept = flatTargets.ne(Kept(Batch.IgnoredLabel)).nonzero().squeeze(1);
        var count = kept.shape[0];
        if (count == 0) return rows.sum().mul(Kept(0));
        if (count < flatTargets.shape[0])
        {
            rows = rows.index_select(0, kept);
            flatTargets = flatTargets.index_select(0, kept);
        }
        try
        {
            return Mean(prepare is null ? rows : prepare(rows), flatTargets);
        }
        catch (Exception error) when (error is ExternalException or ArgumentException { InnerException: ExternalException } && TensorRules.Outside(flatTargets, head.Weight.shape[0]) is not null)
        {
            throw new ArgumentException($"Label {TensorRules.Outside(flatTargets, head.Weight.shape[0])} is outside the model's vocabulary of {head.Weight.shape[0]} "
                + $"(ignored positions have the label {Batch.IgnoredLabel}): was the text encoded for another model?", nameof(targets));
        }
    }

    private Tensor Mean(Tensor rows, Tensor targets)
    {
        var frozen = !head.IsAdapted && !head.Weight.requires_grad && head.Bias is null;
        if (frozen)
        {
            var chunk = Math.Max(1, MaxLogits / head.Weight.shape[0]);
            return ChunkedCrossEntropy.apply(rows, head.Weight, targets, softCap ?? 0.0, chunk);
        }
        var logits = head.call(rows);
        if (softCap is { } cap) logits = Cap(logits, cap);
        return nn.functional.cross_entropy(logits.to_type(ScalarType.Float32), targets);
    }

    /// <summary>Soft cap: c·tanh(z/c).</summary>
    public static Tensor Cap(Tensor logits, double cap)
    {
        using var small = logits.div(Kept(cap));
        using var bent = small.tanh();
        return bent.mul(Kept(cap));
    }
}
