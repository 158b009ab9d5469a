using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Attention of one sequence and one key/value head on the CPU, including the rotary embedding. Only the scores of one block of queries
/// exist at a time (Dao et al. 2022, arXiv:2205.14135, without its running softmax), as logarithms to base 2.
/// </summary>
internal sealed unsafe class AttentionKernel(AttentionShape shape, AttentionSpan span, int group, float* cosine, float* sine)
{
    private const int Queries = AttentionBlock.Queries, Group = AttentionBlock.Group;
    private const int Spare = 7;   // rows of keys, values and scores that complete a tile
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
        using var memory = new Scratch(2 * Padded * size + Padded * Queries + 3 * Queries * size + 2 * Queries);
        var keys = LoadKeys(k, memory.Take(Padded * size), shape.Rotated);
        var values = LoadKeys(v, memory.Take(Padded * size), 0);
        var scores = memory.Take(Padded * Queries);
        var rows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);
        for (var first = span.PrefixLength; first < span.Length; first += Queries)
        {
            var block = new AttentionBlock(shape, span, first);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                LoadQueries(q, block, head, rows, queries, shape.Rotated, shape.Scale / Log2);
                Products(block, keys, queries, scores);
                Hide(block, scores);
                for (var i = 0; i < block.Groups; i++)
                {
                    var (at, count) = Weights(block, i);
                    AttentionWeights.Exponentiate(scores + at, count, block.Lanes, maxima + i * Group, inverses + i * Group);
                }
                Drop(block, scores, head);
                Sums(block, values, scores, result);
                AttentionWeights.Multiply(result, size, block.Lanes, inverses);
                TileProducts.Transpose(result, size, block.Lanes, rows);
                Turn(rows, size, output + QueryAt(first, head), queryRow, first, block.Count, 0, false, 1);
                if (norms is null) continue;
                var norm = norms + NormAt(first, head);
                for (var r = 0; r < block.Count; r++, norm += 2 * shape.Heads) (norm[0], norm[1]) = (maxima[r], inverses[r]);
            }
        }
    }

    /// <summary>
    /// Computes the gradients from the gradient of the outputs. The weights are recomputed instead of stored. Gradients of a prefix are added to those of its own sequence, which must be processed first.
    /// </summary>
    public void Backward(float* q, float* k, float* v, float* norms, float* outputGradient, float* qGradient, float* kGradient, float* vGradient)
    {
        using var memory = new Scratch(4 * Padded * size + 2 * Padded * Queries + 5 * Queries * size + 2 * Queries);
        var keys = LoadKeys(k, memory.Take(Padded * size), shape.Rotated);
        var values = LoadKeys(v, memory.Take(Padded * size), 0);
        var keySums = memory.Zeros(Padded * size);
        var valueSums = memory.Zeros(Padded * size);
        var weights = memory.Take(Padded * Queries);
        var slopes = memory.Take(Padded * Queries);
        var queryRows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var gradientRows = memory.Take(Queries * size);
        var gradients = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);
        for (var first = span.PrefixLength; first < span.Length; first += Queries)
        {
            var block = new AttentionBlock(shape, span, first);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                LoadQueries(q, block, head, queryRows, queries, shape.Rotated, shape.Scale / Log2);
                LoadQueries(outputGradient, block, head, gradientRows, gradients, 0, 1);
                Products(block, keys, queries, weights);
                Products(block, values, gradients, slopes);
                Hide(block, weights);
                var norm = norms + NormAt(first, head);
                // A lane without a query has zero weight.
                for (var r = 0; r < block.Lanes; r++, norm += 2 * shape.Heads) (maxima[r], inverses[r]) = r < block.Count ? (norm[0], norm[1]) : (0, 0);
                Drop(block, slopes, head);
                for (var i = 0; i < block.Groups; i++)
                {
                    var (at, count) = Weights(block, i);
                    AttentionWeights.Slope(weights + at, slopes + at, count, block.Lanes, maxima + i * Group, inverses + i * Group);
                }
                Drop(block, weights, head);
                AddProducts(block, weights, gradientRows, valueSums);
                AddProducts(block, slopes, queryRows, keySums);
                Sums(block, keys, slopes, result);
                TileProducts.Transpose(result, size, block.Lanes, queryRows);
                Turn(queryRows, size, qGradient + QueryAt(first, head), queryRow, first, block.Count, shape.Rotated, true, shape.Scale);
            }
        }
        StoreKeys(keySums, kGradient, shape.Rotated, Log2);
        StoreKeys(valueSums, vGradient, 0, 1);
    }

    private int HeadsPerGroup => shape.Heads / shape.KeyValueHeads;

    private long QueryAt(int position, int head) => (long)span.Row(position) * queryRow + (group * HeadsPerGroup + head) * size;

    private long KeyAt(int position) => (long)span.Row(position) * keyRow + group * size;

    private long NormAt(int position, int head) => 2 * ((long)span.Row(position) * shape.Heads + group * HeadsPerGroup + head);

    // Rows of all positions and some more, a multiple of 8.
    private int Padded => (span.Length + 2 * Spare) & ~Spare;

    // Where the weights of a group of queries begin, and their number of keys.
    private static (int At, int Keys) Weights(in AttentionBlock block, int group)
    {
        var (start, end) = block.Range(group);
        return ((start - block.Low) * block.Lanes + group * Group, end - start);
    }

    // [keys, lanes]: the products of keys [positions, size] with the columns of queries [size, lanes]. Each part may write up to seven rows too many, which belong to no part or to a later one.
    private void Products(in AttentionBlock block, float* keys, float* queries, float* scores)
    {
        for (var i = 0; i < block.Parts; i++)
        {
            var (key, count, lane, lanes) = block.Part(i);
            TileProducts.Run(keys + key * size, size, 1, queries + lane, block.Lanes, scores + (key - block.Low) * block.Lanes + lane, block.Lanes, (count + Spare) & ~Spare, size, lanes);
        }
    }

    // [size, lanes]: the sums of values [positions, size] by weights [keys, lanes].
    private void Sums(in AttentionBlock block, float* values, float* weights, float* result)
    {
        new Span<float>(result, size * block.Lanes).Clear();
        for (var i = 0; i < block.Parts; i++)
        {
            var (key, count, lane, lanes) = block.Part(i);
            TileProducts.Run(values + key * size, 1, size, weights + (key - block.Low) * block.Lanes + lane, block.Lanes, result + lane, block.Lanes, size, count, lanes, add: true);
        }
    }

    // Adds the sums of rows [lanes, size] by weights [keys, lanes] to [positions, size].
    private void AddProducts(in AttentionBlock block, float* weights, float* rows, float* sums)
    {
        for (var i = 0; i < block.Parts; i++)
        {
            var (key, count, lane, lanes) = block.Part(i);
            TileProducts.Run(weights + (key - block.Low) * block.Lanes + lane, block.Lanes, 1, rows + lane * size, size, sums + key * size, size, count, Math.Min(lanes, block.Count - lane), size, add: true);
        }
    }

    private void Hide(in AttentionBlock block, float* scores)
    {
        if (!shape.Causal) return;
        for (var i = 0; i < block.Groups; i++)
        {
            var (at, count) = Weights(block, i);
            AttentionWeights.Hide(scores + at, block.Range(i).Start, count, block.Lanes, block.First + i * Group, shape.Window);
        }
    }

    private void Drop(in AttentionBlock block, float* values, int head)
    {
        if (shape.Dropout is not { } dropout) return;
        for (var i = 0; i < block.Groups; i++)
        {
            var (at, count) = Weights(block, i);
            dropout.Apply(values + at, span, group * HeadsPerGroup + head, block.First + i * Group, block.Range(i).Start, count, block.Lanes);
        }
    }

    // The rows of a block's queries [lanes, size], and their transpose [size, lanes].
    private void LoadQueries(float* from, in AttentionBlock block, int head, float* rows, float* turned, int rotated, float scale)
    {
        Turn(from + QueryAt(block.First, head), queryRow, rows, size, block.First, block.Count, rotated, false, scale);
        if (block.Count < block.Lanes) new Span<float>(rows + block.Count * size, (block.Lanes - block.Count) * size).Clear();
        TileProducts.Transpose(rows, block.Lanes, size, turned);
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
        var (wide, factor) = (Vector512.Create(scale), Vector128.Create(scale));
        for (var row = 0; row < count; row++, from += fromRow, to += toRow, cosine += rotated, sine += rotated)
        {
            FetchRows(from + Queries * fromRow, to + Queries * toRow, rotated);
            nint d = 0;
            if (Vector512.IsHardwareAccelerated)
            {
                for (; d + 16 <= half; d += 16)
                {
                    Vector512<float> x = Vector512.Load(from + d), y = Vector512.Load(from + half + d);
                    Vector512<float> c = Vector512.Load(cosine + d) * wide, s = Vector512.Load(sine + d) * wide;
                    (x * c - y * s).Store(to + d);
                    (y * c + x * s).Store(to + half + d);
                }
            }
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
        var (wide, factor) = (Vector512.Create(scale), Vector256.Create(scale));
        for (var row = 0; row < count; row++, from += fromRow, to += toRow)
        {
            FetchRows(from + Queries * fromRow, to + Queries * toRow, width);
            nint d = 0;
            if (Vector512.IsHardwareAccelerated)
                for (; d + 16 <= width; d += 16) (Vector512.Load(from + d) * wide).Store(to + d);
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
