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
    private readonly AttentionPrefix? prefix;
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
    /// <param name="prefix">What precedes the positions of each row; null for nothing. Not for packed sequences. The numbers of real positions include it.</param>
    public FusedAttention(int[] reads, int batch, int length, AttentionShape shape, IReadOnlyList<int>? lengths, IReadOnlyList<int>? parents, IReadOnlyList<int>? real, Tensor? cosine, Tensor? sine, double dropout = 0, AttentionPrefix? prefix = null)
        : base(reads)
    {
        var perRow = cosine is { } angles && angles.dim() == 4;
        (this.shape, this.dropout, this.prefix) = (shape, dropout, prefix);
        spans = lengths is null ? Rows(batch, length, real, perRow, prefix) : Packed(lengths, parents, perRow);
        (this.cosine, this.sine) = (Angles(cosine, 1), Angles(sine, 0));

        // The keys of the prefix have an angle of 0: those of each position come first, those of each row last, as the rows themselves.
        Tensor Angles(Tensor? given, double atPrefix)
        {
            if (given is null) return empty(0);
            if (prefix is null) return given.AsContiguous();
            var (flat, size) = (given.reshape(-1, given.size(-1)), given.size(-1));
            var own = full(perRow ? prefix.Keys.size(0) : prefix.Length, size, Constant(atPrefix));
            return perRow ? cat([flat, own], 0) : cat([own, flat], 0);
        }
    }

    /// <summary>The keys and values of the prefix, if there is one.</summary>
    public override Tensor[] Trained => prefix is null ? [] : [prefix.Keys, prefix.Values];

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
        if (!TensorMemory.RequiresGrad([.. inputs, .. step.Trained]))
        {
            step.DrawMask();
            return step.Compute(inputs, step.Trained, null).MoveToOuterDisposeScope();
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
        return [Compute(values, Trained, norms)];
    }

    public override Tensor[] Again(Tensor[] values, ReadOnlySpan<Tensor> saved) => [Compute(values, saved[..Trained.Length], null)];

    private void DrawMask()
    {
        if (dropout > 0) shape = shape with { Dropout = DropoutMask.Draw(dropout) };
    }

    private unsafe Tensor Compute(Tensor[] values, ReadOnlySpan<Tensor> ofPrefix, Tensor? norms)
    {
        using var all = new AllKeys(values, ofPrefix);
        var (q, k, v) = (values[0], all.Keys, all.Values);
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
        var ofPrefix = saved[..Trained.Length];
        saved = saved[Trained.Length..];
        using var all = new AllKeys(values, ofPrefix);
        var (q, k, v) = (values[0], all.Keys, all.Values);
        var (qGradient, kGradient, vGradient) = (CachingAllocator.EmptyLike(q), CachingAllocator.EmptyLike(k), CachingAllocator.EmptyLike(v));
        if (ofPrefix.Length > 0)
            foreach (var each in new[] { kGradient, vGradient }) each.narrow(0, each.size(0) - ofPrefix[0].size(0), ofPrefix[0].size(0)).zero_();   // no piece has queries there
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
        if (ofPrefix.Length == 0) return [qGradient, kGradient, vGradient];
        var (own, extra) = (kGradient.size(0) - ofPrefix[0].size(0), ofPrefix[0].size(0));
        return [qGradient, kGradient.narrow(0, 0, own).view(values[1].shape), vGradient.narrow(0, 0, own).view(values[2].shape), kGradient.narrow(0, own, extra), vGradient.narrow(0, own, extra)];
    }

    // The keys and values of all positions, and after them those of the prefix.
    private readonly ref struct AllKeys(Tensor[] values, ReadOnlySpan<Tensor> prefix)
    {
        private readonly bool isNew = prefix.Length > 0;

        public Tensor Keys { get; } = prefix.Length > 0 ? AttentionPrefix.Append(values[1], prefix[0]) : values[1];

        public Tensor Values { get; } = prefix.Length > 0 ? AttentionPrefix.Append(values[2], prefix[1]) : values[2];

        public void Dispose()
        {
            if (!isNew) return;
            Keys.Dispose();
            Values.Dispose();
        }
    }

    private List<AttentionPiece> Pieces => pieces ??= AttentionPiece.Of(spans, shape, get_num_threads());

    private void Each(List<AttentionPiece> pieces, Action<int, AttentionPiece, int> part) => TensorMemory.Parallel(pieces.Count * shape.KeyValueHeads, i =>
    {
        var (index, group) = Math.DivRem(i, shape.KeyValueHeads);
        part(index, pieces[index], group);
    });

    private static AttentionSpan[] Rows(int batch, int length, IReadOnlyList<int>? real, bool ownAngles, AttentionPrefix? prefix)
    {
        var (spans, before) = (new AttentionSpan[batch], prefix?.Length ?? 0);
        for (var row = 0; row < batch; row++)
            spans[row] = new(row * length, before + length, real?[row] ?? before + length, ownAngles, batch * length + (prefix?.IsPerRow == true ? row * before : 0), before);
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
