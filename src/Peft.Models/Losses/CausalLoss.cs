using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cross-entropy of the next token from hidden states and the head.</summary>
internal sealed class CausalLoss(AdaptableModule head, double? softCap)
{
    /// <summary>Rows of logits held at once.</summary>
    private const long MaxLogits = 1 << 22;

    /// <param name="hidden">Hidden states <c>[batch, sequence, hidden]</c>.</param>
    /// <param name="labels">Labels <c>[batch, sequence]</c>, not shifted.</param>
    /// <param name="packedLengths">Lengths of packed sequences: a sequence's last token does not predict the next one's first.</param>
    public Tensor Run(Tensor hidden, Tensor labels, IReadOnlyList<int>? packedLengths)
    {
        using var scope = NewDisposeScope();
        var width = hidden.shape[^1];
        var length = labels.shape[1];
        var targets = labels.narrow(1, 1, length - 1);
        if (packedLengths is { Count: > 1 })
        {
            targets = targets.clone();
            long end = 0;
            foreach (var each in packedLengths.SkipLast(1))
            {
                end += each;
                targets.narrow(1, end - 1, 1).fill_(Batch.IgnoredLabel);
            }
        }
        var flatTargets = targets.reshape(-1);
        var rows = hidden.narrow(1, 0, length - 1).reshape(-1, width);
        var kept = flatTargets.ne(Batch.IgnoredLabel).nonzero().squeeze(1);
        var count = kept.shape[0];
        if (count == 0) return rows.sum().mul(0).MoveToOuterDisposeScope();
        if (count < flatTargets.shape[0])
        {
            rows = rows.index_select(0, kept);
            flatTargets = flatTargets.index_select(0, kept);
        }
        return Mean(rows, flatTargets).MoveToOuterDisposeScope();
    }

    private Tensor Mean(Tensor rows, Tensor targets)
    {
        var frozen = !head.IsAdapted && !head.Weight.requires_grad && head.Bias?.requires_grad != true;
        if (frozen)
        {
            var chunk = Math.Max(1, MaxLogits / head.Weight.shape[0]);
            return ChunkedCrossEntropy.apply(rows, head.Weight, targets, softCap ?? 0.0, chunk);
        }
        var logits = head.call(rows);
        if (softCap is { } cap) logits = Cap(logits, cap);
        return nn.functional.cross_entropy(logits.to_type(ScalarType.Float32), targets);
    }

    /// <summary>c·tanh(z/c).</summary>
    public static Tensor Cap(Tensor logits, double cap)
    {
        using var small = logits.div(cap);
        using var bent = small.tanh();
        return bent.mul(cap);
    }
}
