using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// softmax(s·R(q)·R(k)ᵀ)·v, causal or bidirectional, with the rotary embedding R, as one node of the autograd graph: neither scores nor rotated or transposed tensors are
/// stored. On the CPU in float32; on other devices torch's own kernels are preferable.
/// </summary>
internal sealed class FusedAttention : GraphNode<FusedAttention>
{
    // A family is a sequence and the sequences that continue it.
    private sealed record Job(AttentionShape Shape, AttentionSpan[][] Families);

    /// <summary>True if the kernel supports such heads.</summary>
    public static bool Supports(Tensor q, Tensor k, Tensor v, int size) => size % 8 == 0 && TensorMemory.Supports(q, k, v);

    /// <summary>Computes the attention output.</summary>
    /// <param name="q">Queries <c>[batch, sequence, heads, size]</c>.</param>
    /// <param name="k">Keys <c>[batch, sequence, key/value heads, size]</c>.</param>
    /// <param name="v">Values <c>[batch, sequence, key/value heads, size]</c>.</param>
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
    /// <returns><c>[batch, sequence, heads · size]</c></returns>
    public static Tensor Run(Tensor q, Tensor k, Tensor v, AttentionShape shape, IReadOnlyList<int>? lengths, IReadOnlyList<int>? parents, IReadOnlyList<int>? real, Tensor? cosine, Tensor? sine)
    {
        var (batch, length) = ((int)q.shape[0], (int)q.shape[1]);
        var perRow = cosine is { } angles && angles.dim() == 4;
        using var none = cosine is null ? empty(0) : null;
        using var c = (cosine ?? none!).contiguous();
        using var s = (sine ?? none!).contiguous();
        using var queries = q.contiguous();
        using var keys = k.contiguous();
        using var values = v.contiguous();
        var job = new Job(shape, lengths is null ? Rows(batch, length, real, perRow) : Packed(lengths, parents, perRow));
        return TensorMemory.RequiresGrad(queries, keys, values) ? Record(queries, keys, values, c, s, job)[0] : Compute(queries, keys, values, c, s, job, null);
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (q, k, v, cosine, sine, job) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3], (Tensor)arguments[4], (Job)arguments[5]);
        var norms = empty([q.shape[0], q.shape[1], job.Shape.Heads, 2], ScalarType.Float32);
        context.save_data(nameof(Job), job);
        context.save_for_backward([q, k, v, cosine, sine, norms]);
        return [Compute(q, k, v, cosine, sine, job, norms)];
    }

    private static unsafe Tensor Compute(Tensor q, Tensor k, Tensor v, Tensor cosine, Tensor sine, Job job, Tensor? norms)
    {
        var shape = job.Shape;
        var output = empty([q.shape[0], q.shape[1], shape.Heads * shape.Size], ScalarType.Float32);
        fixed (float* qs = q.Floats(), ks = k.Floats(), vs = v.Floats(), cs = cosine.Floats(), ss = sine.Floats(), os = output.Floats(), ls = norms is null ? [] : norms.Floats())
        {
            var (qp, kp, vp, cp, sp, op, lp) = ((nint)qs, (nint)ks, (nint)vs, (nint)cs, (nint)ss, (nint)os, (nint)ls);
            Each(job, (span, group) =>
            {
                var kernel = new AttentionKernel(shape, span, group, (float*)cp, (float*)sp);
                kernel.Forward((float*)qp, (float*)kp, (float*)vp, (float*)op, (float*)lp);
            });
        }
        return output;
    }

    protected override unsafe Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        var (q, k, v) = (saved[0], saved[1], saved[2]);
        var job = (Job)context.get_data(nameof(Job));
        var (qGradient, kGradient, vGradient) = (empty_like(q), empty_like(k), empty_like(v));
        fixed (float* qs = q.Floats(), ks = k.Floats(), vs = v.Floats(), cs = saved[3].Floats(), ss = saved[4].Floats(), ls = saved[5].Floats(),
               gs = gradients[0].Floats(), gq = qGradient.Floats(), gk = kGradient.Floats(), gv = vGradient.Floats())
        {
            var (qp, kp, vp, cp, sp, lp, gp, gqp, gkp, gvp) = ((nint)qs, (nint)ks, (nint)vs, (nint)cs, (nint)ss, (nint)ls, (nint)gs, (nint)gq, (nint)gk, (nint)gv);
            Each(job, (span, group) =>
            {
                var kernel = new AttentionKernel(job.Shape, span, group, (float*)cp, (float*)sp);
                kernel.Backward((float*)qp, (float*)kp, (float*)vp, (float*)lp, (float*)gp, (float*)gqp, (float*)gkp, (float*)gvp);
            });
        }
        return [qGradient, kGradient, vGradient, null, null, null];
    }

    private static void Each(Job job, Action<AttentionSpan, int> part) => TensorMemory.Parallel(job.Families.Length * job.Shape.KeyValueHeads, i =>
    {
        foreach (var span in job.Families[i / job.Shape.KeyValueHeads]) part(span, i % job.Shape.KeyValueHeads);
    });

    private static AttentionSpan[][] Rows(int batch, int length, IReadOnlyList<int>? real, bool ownAngles)
        => [.. Enumerable.Range(0, batch).Select(row => new[] { new AttentionSpan(row * length, length, real?[row] ?? length, ownAngles) })];

    private static AttentionSpan[][] Packed(IReadOnlyList<int> lengths, IReadOnlyList<int>? parents, bool ownAngles)
    {
        var (families, starts) = (new Dictionary<int, List<AttentionSpan>>(), new int[lengths.Count]);
        for (var i = 0; i < lengths.Count; i++)
        {
            starts[i] = i == 0 ? 0 : starts[i - 1] + lengths[i - 1];
            if (parents?[i] is >= 0 and var parent)
                families[parent].Add(new(starts[i], lengths[parent] + lengths[i], lengths[parent] + lengths[i], ownAngles, starts[parent], lengths[parent]));
            else
                families[i] = [new(starts[i], lengths[i], lengths[i], ownAngles)];
        }
        return [.. families.Values.Select(family => family.ToArray())];
    }
}
