using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Attention of one sequence and one key/value head on the CPU, including the rotary embedding. Only the scores of sixteen queries
/// exist at a time (Dao et al. 2022, arXiv:2205.14135, without its tiling of keys). A vector holds one key's scores for eight queries,
/// so that maxima and sums over keys stay in their lanes.
/// </summary>
internal sealed unsafe class AttentionKernel(AttentionShape shape, AttentionSpan span, int group, float* cosine, float* sine)
{
    private const int Queries = 16;   // queries per block: two vectors
    private readonly int size = shape.Size;

    /// <summary>
    /// Computes the outputs and, if requested, the values with which weights are recomputed from scores: each row's maximum score and 1 / Σ exp(score − maximum).
    /// Their log-sum-exp would be a single value, but loses the sum if scores are in the thousands.
    /// </summary>
    /// <param name="q">[rows, heads, size]</param>
    /// <param name="k">[rows, key/value heads, size]</param>
    /// <param name="v">[rows, key/value heads, size]</param>
    /// <param name="output">[rows, heads, size]</param>
    /// <param name="norms">[rows, heads, 2], or null.</param>
    public void Forward(float* q, float* k, float* v, float* output, float* norms)
    {
        using var memory = new Scratch(2 * span.Length * size + span.Length * Queries + 3 * Queries * size + 2 * Queries);
        var keys = Rows(k, memory.Take(span.Length * size), rotate: true);
        var values = Rows(v, memory.Take(span.Length * size), rotate: false);
        var scores = memory.Take(span.Length * Queries);
        var rows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var sums = memory.Take(Queries);
        for (var head = 0; head < HeadsPerGroup; head++)
        {
            for (var first = span.PrefixLength; first < span.Length; first += Queries)
            {
                var (low, seen, count) = Visible(first);
                LoadBlock(q, first, head, count, rows, queries, rotate: true, shape.Scale);
                TileProducts.Run(keys + low * size, size, 1, queries, Queries, scores, Queries, seen, size, Queries);
                Hide(scores, low, seen, first, count);
                Exponentiate(scores, seen, maxima, sums);
                Drop(scores, head, first, low, seen);
                TileProducts.Run(values + low * size, 1, size, scores, Queries, result, Queries, size, seen, Queries);
                TileProducts.Transpose(result, size, Queries, rows);
                for (var r = 0; r < count; r++)
                {
                    var at = At(first + r, head);
                    Scale(rows + r * size, output + at, size, 1 / sums[r]);
                    if (norms is null) continue;
                    norms[at / size * 2] = maxima[r];
                    norms[at / size * 2 + 1] = 1 / sums[r];
                }
            }
        }
    }

    /// <summary>
    /// Computes the gradients from the gradient of the outputs. The weights are recomputed instead of stored. Gradients of a prefix are added to those of its own sequence, which must be processed first.
    /// </summary>
    public void Backward(float* q, float* k, float* v, float* norms, float* outputGradient, float* qGradient, float* kGradient, float* vGradient)
    {
        using var memory = new Scratch(4 * span.Length * size + 2 * span.Length * Queries + 5 * Queries * size + 2 * Queries);
        var keys = Rows(k, memory.Take(span.Length * size), rotate: true);
        var values = Rows(v, memory.Take(span.Length * size), rotate: false);
        var keySums = memory.Zeros(span.Length * size);
        var valueSums = memory.Zeros(span.Length * size);
        var weights = memory.Take(span.Length * Queries);
        var slopes = memory.Take(span.Length * Queries);
        var queryRows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var gradientRows = memory.Take(Queries * size);
        var gradients = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);
        for (var head = 0; head < HeadsPerGroup; head++)
        {
            for (var first = span.PrefixLength; first < span.Length; first += Queries)
            {
                var (low, seen, count) = Visible(first);
                LoadBlock(q, first, head, count, queryRows, queries, rotate: true, shape.Scale);
                LoadBlock(outputGradient, first, head, count, gradientRows, gradients, rotate: false, 1);
                TileProducts.Run(keys + low * size, size, 1, queries, Queries, weights, Queries, seen, size, Queries);
                TileProducts.Run(values + low * size, size, 1, gradients, Queries, slopes, Queries, seen, size, Queries);
                Hide(weights, low, seen, first, count);
                for (var r = 0; r < Queries; r++)
                {
                    // A lane without a query has zero weight.
                    var norm = norms + At(first + r, head) / size * 2;
                    maxima[r] = r < count ? norm[0] : 0;
                    inverses[r] = r < count ? norm[1] : 0;
                }
                Drop(slopes, head, first, low, seen);
                Slope(weights, slopes, seen, maxima, inverses);
                Drop(weights, head, first, low, seen);
                TileProducts.Run(weights, Queries, 1, gradientRows, size, valueSums + low * size, size, seen, count, size, add: true);
                TileProducts.Run(slopes, Queries, 1, queryRows, size, keySums + low * size, size, seen, count, size, add: true);
                TileProducts.Run(keys + low * size, 1, size, slopes, Queries, result, Queries, size, seen, Queries);
                TileProducts.Transpose(result, size, Queries, queryRows);
                for (var r = 0; r < count; r++)
                    StoreRow(queryRows + r * size, first + r, qGradient + At(first + r, head), shape.Scale, rotated: true);
            }
        }
        for (var i = 0; i < span.Length; i++)
        {
            GiveRow(keySums + i * size, i, kGradient + KeyAt(i), result, rotated: true);
            GiveRow(valueSums + i * size, i, vGradient + KeyAt(i), result, rotated: false);
        }
    }

    private int HeadsPerGroup => shape.Heads / shape.KeyValueHeads;

    private long At(int position, int head) => ((long)span.Row(position) * shape.Heads + group * HeadsPerGroup + head) * size;

    private long KeyAt(int position) => ((long)span.Row(position) * shape.KeyValueHeads + group) * size;

    // The keys to which a block of queries attends (the first one and their number), and the number of queries in the block.
    private (int Low, int Seen, int Count) Visible(int first)
    {
        var count = Math.Min(Queries, span.Length - first);
        var low = shape.Window is { } window ? Math.Max(0, first - window + 1) : 0;
        var end = shape.Causal ? Math.Min(first + count, span.Keys) : span.Keys;
        return (low, end - low, count);
    }

    // scores [keys, queries]
    private void Hide(float* scores, int low, int seen, int first, int count)
    {
        if (!shape.Causal) return;
        for (var key = first + 1; key < low + seen; key++)
            new Span<float>(scores + (key - low) * Queries, Math.Min(Queries, key - first)).Fill(float.NegativeInfinity);
        if (shape.Window is not { } window) return;
        for (var key = low; key < first + count - window; key++)
        {
            var gone = Math.Max(0, key + window - first);
            new Span<float>(scores + (key - low) * Queries + gone, Queries - gone).Fill(float.NegativeInfinity);
        }
    }

    private void Drop(float* values, int head, int first, int low, int seen) => shape.Dropout?.Apply(values, span, group * HeadsPerGroup + head, first, low, seen);

    // Replaces scores [keys, queries] by exp(score − maximum of the query), and computes their sums.
    [MethodImpl(JitOptions.Loop)]
    private static void Exponentiate(float* scores, int keys, float* maxima, float* sums)
    {
        var (left, right) = (Vector256.Load(scores), Vector256.Load(scores + 8));
        var end = scores + keys * Queries;
        for (var at = scores + Queries; at < end; at += Queries)
        {
            left = Vector256.MaxNative(left, Vector256.Load(at));
            right = Vector256.MaxNative(right, Vector256.Load(at + 8));
        }
        var (leftSum, rightSum) = (Vector256<float>.Zero, Vector256<float>.Zero);
        for (var at = scores; at < end; at += Queries)
        {
            var one = Exponential.Of(Vector256.Load(at) - left);
            var two = Exponential.Of(Vector256.Load(at + 8) - right);
            one.Store(at);
            two.Store(at + 8);
            leftSum += one;
            rightSum += two;
        }
        left.Store(maxima);
        right.Store(maxima + 8);
        leftSum.Store(sums);
        rightSum.Store(sums + 8);
    }

    // From scores s and dL/dp, [keys, queries]: p = exp(s − maximum)/sum, then dL/ds = p·(dL/dp − Σ p·dL/dp).
    [MethodImpl(JitOptions.Loop)]
    private static void Slope(float* weights, float* slopes, int keys, float* maxima, float* inverses)
    {
        Vector256<float> left = Vector256.Load(maxima), right = Vector256.Load(maxima + 8);
        Vector256<float> leftFactor = Vector256.Load(inverses), rightFactor = Vector256.Load(inverses + 8);
        var (leftSum, rightSum) = (Vector256<float>.Zero, Vector256<float>.Zero);
        for (var i = 0; i < keys * Queries; i += Queries)
        {
            var one = Exponential.Of(Vector256.Load(weights + i) - left) * leftFactor;
            var two = Exponential.Of(Vector256.Load(weights + i + 8) - right) * rightFactor;
            one.Store(weights + i);
            two.Store(weights + i + 8);
            leftSum = Vector256.FusedMultiplyAdd(one, Vector256.Load(slopes + i), leftSum);
            rightSum = Vector256.FusedMultiplyAdd(two, Vector256.Load(slopes + i + 8), rightSum);
        }
        for (var i = 0; i < keys * Queries; i += Queries)
        {
            (Vector256.Load(weights + i) * (Vector256.Load(slopes + i) - leftSum)).Store(slopes + i);
            (Vector256.Load(weights + i + 8) * (Vector256.Load(slopes + i + 8) - rightSum)).Store(slopes + i + 8);
        }
    }

    // The rows of a block's queries [queries, size], and their transpose [size, queries].
    private void LoadBlock(float* from, int first, int head, int count, float* rows, float* turned, bool rotate, float scale)
    {
        for (var r = 0; r < count; r++) LoadRow(from + At(first + r, head), first + r, rows + r * size, rotate, scale);
        if (count < Queries) new Span<float>(rows + count * size, (Queries - count) * size).Clear();
        TileProducts.Transpose(rows, Queries, size, turned);
    }

    // x → x·cos + swap(x)·sin over the rotated dimensions; the sine contains the sign of its half.
    private void LoadRow(float* from, int position, float* to, bool rotate, float scale)
    {
        var turned = rotate ? shape.Rotated : 0;
        var half = turned / 2;
        var s = Angle(sine, position);
        Rotate(from, Angle(cosine, position), s, s + half, to, half, scale);
        Scale(from + turned, to + turned, size - turned, scale);
    }

    // The transpose of LoadRow's rotation.
    private void StoreRow(float* from, int position, float* to, float scale, bool rotated)
    {
        var turned = rotated ? shape.Rotated : 0;
        var half = turned / 2;
        var s = Angle(sine, position);
        Rotate(from, Angle(cosine, position), s + half, s, to, half, scale);
        Scale(from + turned, to + turned, size - turned, scale);
    }

    // The prefix already has gradients from its own sequence, which was processed before.
    private void GiveRow(float* from, int position, float* to, float* scratch, bool rotated)
    {
        if (position >= span.PrefixLength)
        {
            StoreRow(from, position, to, 1, rotated);
            return;
        }
        StoreRow(from, position, scratch, 1, rotated);
        for (var d = 0; d < size; d++) to[d] += scratch[d];
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Rotate(float* from, float* cosine, float* firstSine, float* secondSine, float* to, int half, float scale)
    {
        var d = 0;
        for (var factor = Vector128.Create(scale); d + 4 <= half; d += 4)
        {
            var first = Vector128.Load(from + d);
            var second = Vector128.Load(from + half + d);
            ((first * Vector128.Load(cosine + d) + second * Vector128.Load(firstSine + d)) * factor).Store(to + d);
            ((second * Vector128.Load(cosine + half + d) + first * Vector128.Load(secondSine + d)) * factor).Store(to + half + d);
        }
        for (; d < half; d++)
        {
            var (first, second) = (from[d], from[half + d]);
            to[d] = (first * cosine[d] + second * firstSine[d]) * scale;
            to[half + d] = (second * cosine[half + d] + first * secondSine[d]) * scale;
        }
    }

    private static void Scale(float* from, float* to, int count, float scale)
    {
        var d = 0;
        for (var factor = Vector128.Create(scale); d + 4 <= count; d += 4) (Vector128.Load(from + d) * factor).Store(to + d);
        for (; d < count; d++) to[d] = from[d] * scale;
    }

    private float* Angle(float* table, int position) => table + (long)(span.HasOwnAngles ? span.Row(position) : position) * shape.Rotated;

    private float* Rows(float* from, float* to, bool rotate)
    {
        for (var i = 0; i < span.Length; i++) LoadRow(from + KeyAt(i), i, to + i * size, rotate, 1);
        return to;
    }
}
