using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Attention of one sequence and one key/value head on the CPU, including the rotary embedding. Only the scores of sixteen queries
/// exist at a time (Dao et al. 2022, arXiv:2205.14135, without its tiling of keys), as logarithms to base 2.
/// </summary>
internal sealed unsafe class AttentionKernel(AttentionShape shape, AttentionSpan span, int group, float* cosine, float* sine)
{
    private const int Queries = AttentionWeights.Queries;
    private const float Log2 = 0.693147181f;   // of e

    private readonly int size = shape.Size;
    private readonly int queryRow = shape.Heads * shape.Size, keyRow = shape.KeyValueHeads * shape.Size;   // strides

    /// <summary>
    /// Computes the outputs and, if requested, the values with which weights are recomputed from scores: each row's maximum score and 1 / Σ 2^(score − maximum).
    /// The logarithm of their product would be a single value, but loses the sum if scores are in the thousands.
    /// </summary>
    /// <param name="q">[rows, heads, size]</param>
    /// <param name="k">[rows, key/value heads, size]</param>
    /// <param name="v">[rows, key/value heads, size]</param>
    /// <param name="output">[rows, heads, size]</param>
    /// <param name="norms">[rows, heads, 2], or null.</param>
    public void Forward(float* q, float* k, float* v, float* output, float* norms)
    {
        using var memory = new Scratch(2 * span.Length * size + span.Length * Queries + 3 * Queries * size + 2 * Queries);
        var keys = LoadKeys(k, memory.Take(span.Length * size), shape.Rotated);
        var values = LoadKeys(v, memory.Take(span.Length * size), 0);
        var scores = memory.Take(span.Length * Queries);
        var rows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);
        for (var first = span.PrefixLength; first < span.Length; first += Queries)
        {
            var (low, seen, count) = Visible(first);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                LoadQueries(q, first, head, count, rows, queries, shape.Rotated, shape.Scale / Log2);
                TileProducts.Run(keys + low * size, size, 1, queries, Queries, scores, Queries, seen, size, Queries);
                Hide(scores, low, seen, first);
                AttentionWeights.Exponentiate(scores, seen, maxima, inverses);
                Drop(scores, head, first, low, seen);
                TileProducts.Run(values + low * size, 1, size, scores, Queries, result, Queries, size, seen, Queries);
                AttentionWeights.Multiply(result, size, inverses);
                TileProducts.Transpose(result, size, Queries, rows);
                Turn(rows, size, output + QueryAt(first, head), queryRow, first, count, 0, false, 1);
                if (norms is null) continue;
                var norm = norms + NormAt(first, head);
                for (var r = 0; r < count; r++, norm += 2 * shape.Heads) (norm[0], norm[1]) = (maxima[r], inverses[r]);
            }
        }
    }

    /// <summary>
    /// Computes the gradients from the gradient of the outputs. The weights are recomputed instead of stored. Gradients of a prefix are added to those of its own sequence, which must be processed first.
    /// </summary>
    public void Backward(float* q, float* k, float* v, float* norms, float* outputGradient, float* qGradient, float* kGradient, float* vGradient)
    {
        using var memory = new Scratch(4 * span.Length * size + 2 * span.Length * Queries + 5 * Queries * size + 2 * Queries);
        var keys = LoadKeys(k, memory.Take(span.Length * size), shape.Rotated);
        var values = LoadKeys(v, memory.Take(span.Length * size), 0);
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
        for (var first = span.PrefixLength; first < span.Length; first += Queries)
        {
            var (low, seen, count) = Visible(first);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                LoadQueries(q, first, head, count, queryRows, queries, shape.Rotated, shape.Scale / Log2);
                LoadQueries(outputGradient, first, head, count, gradientRows, gradients, 0, 1);
                TileProducts.Run(keys + low * size, size, 1, queries, Queries, weights, Queries, seen, size, Queries);
                TileProducts.Run(values + low * size, size, 1, gradients, Queries, slopes, Queries, seen, size, Queries);
                Hide(weights, low, seen, first);
                var norm = norms + NormAt(first, head);
                // A lane without a query has zero weight.
                for (var r = 0; r < Queries; r++, norm += 2 * shape.Heads) (maxima[r], inverses[r]) = r < count ? (norm[0], norm[1]) : (0, 0);
                Drop(slopes, head, first, low, seen);
                AttentionWeights.Slope(weights, slopes, seen, maxima, inverses);
                Drop(weights, head, first, low, seen);
                TileProducts.Run(weights, Queries, 1, gradientRows, size, valueSums + low * size, size, seen, count, size, add: true);
                TileProducts.Run(slopes, Queries, 1, queryRows, size, keySums + low * size, size, seen, count, size, add: true);
                TileProducts.Run(keys + low * size, 1, size, slopes, Queries, result, Queries, size, seen, Queries);
                TileProducts.Transpose(result, size, Queries, queryRows);
                Turn(queryRows, size, qGradient + QueryAt(first, head), queryRow, first, count, shape.Rotated, true, shape.Scale);
            }
        }
        StoreKeys(keySums, kGradient, shape.Rotated, Log2);
        StoreKeys(valueSums, vGradient, 0, 1);
    }

    private int HeadsPerGroup => shape.Heads / shape.KeyValueHeads;

    private long QueryAt(int position, int head) => (long)span.Row(position) * queryRow + (group * HeadsPerGroup + head) * size;

    private long KeyAt(int position) => (long)span.Row(position) * keyRow + group * size;

    private long NormAt(int position, int head) => 2 * ((long)span.Row(position) * shape.Heads + group * HeadsPerGroup + head);

    // The keys to which a block of queries attends (the first one and their number), and the number of queries in the block. With a window, up to seven hidden keys before them complete a tile.
    private (int Low, int Seen, int Count) Visible(int first)
    {
        var count = Math.Min(Queries, span.Length - first);
        var low = shape.Window is { } window ? Math.Max(0, first - window + 1) & ~7 : 0;
        var end = shape.Causal ? Math.Min(first + count, span.Keys) : span.Keys;
        return (low, end - low, count);
    }

    private void Hide(float* scores, int low, int seen, int first)
    {
        if (shape.Causal) AttentionWeights.Hide(scores, low, seen, first, shape.Window);
    }

    private void Drop(float* values, int head, int first, int low, int seen) => shape.Dropout?.Apply(values, span, group * HeadsPerGroup + head, first, low, seen);

    // The rows of a block's queries [queries, size], and their transpose [size, queries].
    private void LoadQueries(float* from, int first, int head, int count, float* rows, float* turned, int rotated, float scale)
    {
        Turn(from + QueryAt(first, head), queryRow, rows, size, first, count, rotated, false, scale);
        if (count < Queries) new Span<float>(rows + count * size, (Queries - count) * size).Clear();
        TileProducts.Transpose(rows, Queries, size, turned);
    }

    // The rows of all keys or values [positions, size].
    private float* LoadKeys(float* from, float* to, int rotated)
    {
        var prefix = span.PrefixLength;
        if (prefix > 0) Turn(from + KeyAt(0), keyRow, to, size, 0, prefix, rotated, false, 1);
        Turn(from + KeyAt(prefix), keyRow, to + prefix * size, size, prefix, span.Length - prefix, rotated, false, 1);
        return to;
    }

    // The prefix already has gradients from its own sequence, which was processed before.
    private void StoreKeys(float* from, float* to, int rotated, float scale)
    {
        var prefix = span.PrefixLength;
        Turn(from + prefix * size, size, to + KeyAt(prefix), keyRow, prefix, span.Length - prefix, rotated, true, scale);
        if (prefix == 0) return;
        Turn(from, size, from, size, 0, prefix, rotated, true, scale);
        for (var i = 0; i < prefix; i++)
            for (var d = 0; d < size; d++) to[KeyAt(i) + d] += from[i * size + d];
    }

    // Copies rows of consecutive positions, multiplied by a factor and rotated: (x, y) → (x·cos − y·sin, y·cos + x·sin), or back.
    private void Turn(float* from, int fromRow, float* to, int toRow, int position, int count, int rotated, bool back, float scale)
    {
        var angles = (long)(span.HasOwnAngles ? span.Row(position) : position) * rotated;
        // The first half of the table has −sin, the second sin.
        if (rotated > 0) Rotate(from, fromRow, to, toRow, count, rotated, cosine + angles, sine + angles + (back ? 0 : rotated / 2), scale);
        if (rotated < size) Scale(from + rotated, fromRow, to + rotated, toRow, count, size - rotated, scale);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Rotate(float* from, nint fromRow, float* to, nint toRow, int count, int rotated, float* cosine, float* sine, float scale)
    {
        nint half = rotated / 2;
        var factor = Vector128.Create(scale);
        for (var row = 0; row < count; row++, from += fromRow, to += toRow, cosine += rotated, sine += rotated)
        {
            FetchRows(from + Queries * fromRow, to + Queries * toRow, rotated);
            nint d = 0;
            for (; d + 4 <= half; d += 4)
            {
                Vector128<float> x = Vector128.Load(from + d), y = Vector128.Load(from + half + d);
                Vector128<float> c = Vector128.Load(cosine + d) * factor, s = Vector128.Load(sine + d) * factor;
                (x * c - y * s).Store(to + d);
                (y * c + x * s).Store(to + half + d);
            }
            for (; d < half; d++)
            {
                var (x, y, c, s) = (from[d], from[half + d], cosine[d] * scale, sine[d] * scale);
                to[d] = x * c - y * s;
                to[half + d] = y * c + x * s;
            }
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Scale(float* from, nint fromRow, float* to, nint toRow, int count, int width, float scale)
    {
        var factor = Vector256.Create(scale);
        for (var row = 0; row < count; row++, from += fromRow, to += toRow)
        {
            FetchRows(from + Queries * fromRow, to + Queries * toRow, width);
            nint d = 0;
            for (; d + 8 <= width; d += 8) (Vector256.Load(from + d) * factor).Store(to + d);
            for (; d < width; d++) to[d] = from[d] * scale;
        }
    }

    // Rows of a head are too far from each other for the processor to fetch the next block's by itself.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void FetchRows(float* from, float* to, int width)
    {
        for (nint d = 0; d < width; d += 16)
        {
            Prefetch.Far(from + d);
            Prefetch.Far(to + d);
        }
    }
}
