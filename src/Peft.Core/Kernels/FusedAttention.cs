using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// softmax(s·R(q)·R(k)ᵀ)·v, causal or bidirectional, with the rotary embedding R: neither scores nor rotated or transposed tensors are
/// stored. On the CPU in float32; on other devices torch's own kernels are preferable.
/// </summary>
internal sealed class FusedAttention : NodeStep
{
    private readonly double dropout;
    private readonly AttentionSpan[] spans;
    private readonly Tensor cosine, sine;
    private AttentionShape shape;
    private List<AttentionPiece>? pieces;

    /// <summary>True if the kernel supports such heads.</summary>
    public static bool Supports(Tensor q, Tensor k, Tensor v, int size) => size % 8 == 0 && TensorMemory.Supports(q, k, v);

    /// <summary>Creates a step that computes the attention output <c>[batch, sequence, heads · size]</c>.</summary>
    /// <param name="reads">Indices of the queries <c>[batch, sequence, heads · size]</c>, the keys and the values <c>[batch, sequence, key/value heads · size]</c>. The heads may be a dimension of their own.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="length">Number of positions.</param>
    /// <param name="shape">Sizes and settings.</param>
    /// <param name="lengths">Lengths of packed sequences in the single row; null if rows are sequences.</param>
    /// <param name="parents">For each packed sequence, the index of an earlier one that it continues, or −1; null if there are none. A sequence that continues another one cannot be continued.</param>
    /// <param name="real">
    /// For each row, the number of leading positions that are tokens. The others are padding, to which no query attends. Null if there is no padding.
    /// </param>
    /// <param name="cosine">
    /// cos of each angle, repeated for both halves: <c>[sequence, 1, rotated]</c>, or <c>[batch, sequence, 1, rotated]</c>; null without a rotary embedding.
    /// </param>
    /// <param name="sine">Likewise, −sin for the first half and sin for the second.</param>
    /// <param name="dropout">Probability with which a weight is dropped, below 1. The mask is drawn when the step runs.</param>
    public FusedAttention(int[] reads, int batch, int length, AttentionShape shape, IReadOnlyList<int>? lengths, IReadOnlyList<int>? parents, IReadOnlyList<int>? real, Tensor? cosine, Tensor? sine, double dropout = 0)
        : base(reads)
    {
        var perRow = cosine is { } angles && angles.dim() == 4;
        (this.shape, this.dropout, spans) = (shape, dropout, lengths is null ? Rows(batch, length, real, perRow) : Packed(lengths, parents, perRow));
        (this.cosine, this.sine) = ((cosine ?? empty(0)).AsContiguous(), (sine ?? empty(0)).AsContiguous());
    }

    /// <summary>Computes the attention output, as a node of its own if gradients are needed.</summary>
    /// <param name="q">Queries <c>[batch, sequence, heads, size]</c>.</param>
    /// <param name="k">Keys <c>[batch, sequence, key/value heads, size]</c>.</param>
    /// <param name="v">Values <c>[batch, sequence, key/value heads, size]</c>.</param>
    /// <param name="step">The step, which reads the values 0, 1 and 2.</param>
    /// <returns><c>[batch, sequence, heads · size]</c></returns>
    public static Tensor Run(Tensor q, Tensor k, Tensor v, FusedAttention step)
    {
        using var scope = NewDisposeScope();
        Tensor[] inputs = [q.contiguous(), k.contiguous(), v.contiguous()];
        if (!TensorMemory.RequiresGrad(inputs))
        {
            step.DrawMask();
            return step.Compute(inputs[0], inputs[1], inputs[2], null).MoveToOuterDisposeScope();
        }
        var steps = new NodeSteps(inputs);
        steps.Add(step);
        return steps.Run()[0].MoveToOuterDisposeScope();
    }

    public override Tensor[] Forward(Tensor[] values, List<Tensor> kept)
    {
        DrawMask();
        var norms = empty([values[0].size(0), values[0].size(1), shape.Heads, 2], ScalarType.Float32);
        kept.AddRange([cosine, sine, norms]);
        return [Compute(values[0], values[1], values[2], norms)];
    }

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => [Compute(values[0], values[1], values[2], null)];

    private void DrawMask()
    {
        if (dropout > 0) shape = shape with { Dropout = DropoutMask.Draw(dropout) };
    }

    private unsafe Tensor Compute(Tensor q, Tensor k, Tensor v, Tensor? norms)
    {
        var output = CachingAllocator.Empty(q.size(0), q.size(1), shape.Heads * shape.Size);
        fixed (float* qs = q.Floats(), ks = k.Floats(), vs = v.Floats(), cs = cosine.Floats(), ss = sine.Floats(), os = output.Floats(), ls = norms is null ? [] : norms.Floats())
        {
            var (qp, kp, vp, cp, sp, op, lp) = ((nint)qs, (nint)ks, (nint)vs, (nint)cs, (nint)ss, (nint)os, (nint)ls);
            Each(Pieces, (_, piece, group) =>
            {
                var kernel = new AttentionKernel(shape, piece, group, (float*)cp, (float*)sp);
                kernel.Forward((float*)qp, (float*)kp, (float*)vp, (float*)op, (float*)lp);
            });
        }
        return output;
    }

    public override unsafe Tensor?[] Backward(Tensor[] values, ReadOnlySpan<Tensor> saved, Tensor[] gradients, bool[] wanted)
    {
        var (q, k, v) = (values[0], values[1], values[2]);
        var (qGradient, kGradient, vGradient) = (CachingAllocator.EmptyLike(q), CachingAllocator.EmptyLike(k), CachingAllocator.EmptyLike(v));
        var pieces = Pieces;
        // Gradients of keys and values that are positions of other pieces: added at the end, in the order of the pieces, so that runs are reproducible.
        var starts = new long[pieces.Count + 1];
        for (var i = 0; i < pieces.Count; i++) starts[i + 1] = starts[i] + 2L * shape.KeyValueHeads * shape.Size * pieces[i].Shared;
        using var shared = CachingAllocator.Empty(starts[^1]);
        fixed (float* qs = q.Floats(), ks = k.Floats(), vs = v.Floats(), cs = saved[0].Floats(), ss = saved[1].Floats(), ls = saved[2].Floats(),
               gs = gradients[0].Floats(), gq = qGradient.Floats(), gk = kGradient.Floats(), gv = vGradient.Floats(), gh = shared.Floats())
        {
            var (qp, kp, vp, cp, sp, lp, gp, gqp, gkp, gvp, ghp) = ((nint)qs, (nint)ks, (nint)vs, (nint)cs, (nint)ss, (nint)ls, (nint)gs, (nint)gq, (nint)gk, (nint)gv, (nint)gh);
            Each(pieces, (index, piece, group) =>
            {
                var kernel = new AttentionKernel(shape, piece, group, (float*)cp, (float*)sp);
                kernel.Backward((float*)qp, (float*)kp, (float*)vp, (float*)lp, (float*)gp, (float*)gqp, (float*)gkp, (float*)gvp, Shared(index, group));
            });
            if (starts[^1] > 0) TensorMemory.Parallel(shape.KeyValueHeads, group =>
            {
                for (var i = 0; i < pieces.Count; i++) new AttentionKernel(shape, pieces[i], group, null, null).AddShared(Shared(i, group), (float*)gkp, (float*)gvp);
            });

            float* Shared(int index, int group) => (float*)ghp + starts[index] + 2L * group * shape.Size * pieces[index].Shared;
        }
        return [qGradient, kGradient, vGradient];
    }

    private List<AttentionPiece> Pieces => pieces ??= AttentionPiece.Of(spans, shape, get_num_threads());

    private void Each(List<AttentionPiece> pieces, Action<int, AttentionPiece, int> part) => TensorMemory.Parallel(pieces.Count * shape.KeyValueHeads, i =>
    {
        var (index, group) = Math.DivRem(i, shape.KeyValueHeads);
        part(index, pieces[index], group);
    });

    private static AttentionSpan[] Rows(int batch, int length, IReadOnlyList<int>? real, bool ownAngles)
    {
        var spans = new AttentionSpan[batch];
        for (var row = 0; row < batch; row++) spans[row] = new(row * length, length, real?[row] ?? length, ownAngles);
        return spans;
    }

    private static AttentionSpan[] Packed(IReadOnlyList<int> lengths, IReadOnlyList<int>? parents, bool ownAngles)
    {
        var (spans, start) = (new AttentionSpan[lengths.Count], 0);
        for (var i = 0; i < spans.Length; i++)
        {
            var length = lengths[i];
            spans[i] = parents?[i] is >= 0 and var parent
                ? new(start, lengths[parent] + length, lengths[parent] + length, ownAngles, spans[parent].Start, lengths[parent])
                : new(start, length, length, ownAngles);
            start += length;
        }
        return spans;
    }
}
