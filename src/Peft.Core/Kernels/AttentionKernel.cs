using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>
/// Attention of a piece of a sequence and one key/value head on the CPU, including the rotary embedding. Only the scores of one block of queries
/// and 64 keys exist at a time in the forward pass, and of one block of queries in the backward pass (Dao et al. 2022, arXiv:2205.14135), as logarithms to base 2.
/// </summary>
internal sealed unsafe class AttentionKernel(AttentionShape shape, AttentionPiece piece, int group, float* cosine, float* sine)
{
    private const int Queries = AttentionBlock.Queries, Group = AttentionBlock.Group;
    private const int Spare = 7;   // rows of keys, values and scores that complete a tile
    private const float Log2 = 0.693147181f;   // of e

    private readonly AttentionSpan span = piece.Span;
    private RowFetcher fetcher = new(shape.Size);
    private int loaded = piece.Low;   // position up to which keys and values are loaded
    private readonly int size = shape.Size;
    private readonly int queryRow = shape.Heads * shape.Size, keyRow = shape.KeyValueHeads * shape.Size;   // strides

    /// <summary>
    /// Computes the outputs and, if requested, the values with which weights are recomputed from scores: each row's maximum score (or one a little below) and 1 / Σ 2^(score − maximum).
    /// The logarithm of their product would be a single value, but loses the sum if scores are in the thousands.
    /// </summary>
    /// <param name="q">[rows, heads, size]</param>
    /// <param name="k">[rows, key/value heads, size]</param>
    /// <param name="v">[rows, key/value heads, size]</param>
    /// <param name="output">[rows, heads, size]</param>
    /// <param name="norms">[rows, heads, 2], or null.</param>
    public void Forward(float* q, float* k, float* v, float* output, float* norms)
    {
        using var memory = new Scratch(2 * Rows * size + PartScores + 3 * Queries * size + 3 * Queries);
        float* keys = memory.Take(Rows * size) - piece.Low * size, values = memory.Take(Rows * size) - piece.Low * size;   // where position 0 would be
        var scores = memory.Take(PartScores);
        var rows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);   // first the sums of the weights
        var factors = memory.Take(Queries);
        for (var first = piece.First; first < piece.End; first += Queries)
        {
            var block = new AttentionBlock(shape, span, first);
            LoadKeys(k, v, block.High, keys, values);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                FetchNext(block, head, q, output, null, k, v, 2);
                LoadQueries(q, block, head, rows, queries, shape.Rotated, shape.Scale / Log2);
                new Span<float>(result, size * block.Lanes).Clear();
                new Span<float>(maxima, block.Lanes).Fill(float.MinValue);
                new Span<float>(inverses, block.Lanes).Clear();
                for (var i = 0; i < block.Parts; i++)
                {
                    var part = block.Part(i);
                    Products(block, part, keys, queries, scores, part.Lanes);
                    Hide(block, part, scores, part.Lanes);
                    if (AttentionWeights.Exponentiate(scores, part.Keys, part.Lanes, maxima + part.Lane, inverses + part.Lane, factors))
                        AttentionWeights.Multiply(result + part.Lane, size, block.Lanes, part.Lanes, factors);
                    Drop(block, part, scores, part.Lanes, head);
                    Sums(block, part, values, scores, part.Lanes, result);
                }
                AttentionWeights.Invert(inverses, block.Lanes);
                AttentionWeights.Multiply(result, size, block.Lanes, block.Lanes, inverses);
                TileProducts.Transpose(result, size, block.Lanes, rows);
                Turn(rows, size, output + QueryAt(first, head), queryRow, first, block.Count, 0, false, 1);
                if (norms is null) continue;
                var norm = norms + NormAt(first, head);
                for (var r = 0; r < block.Count; r++, norm += 2 * shape.Heads) (norm[0], norm[1]) = (maxima[r], inverses[r]);
            }
        }
    }

    /// <summary>
    /// Computes the gradients from the gradient of the outputs. The weights are recomputed instead of stored. Gradients of keys and values that are positions of other pieces
    /// are written to a buffer: <see cref="AddShared"/> adds them when all pieces have been processed.
    /// </summary>
    public void Backward(float* q, float* k, float* v, float* norms, float* outputGradient, float* qGradient, float* kGradient, float* vGradient, float* shared)
    {
        using var memory = new Scratch(4 * Rows * size + 2 * Scores + 5 * Queries * size + 3 * Queries);
        float* keys = memory.Take(Rows * size) - piece.Low * size, values = memory.Take(Rows * size) - piece.Low * size;   // where position 0 would be
        float* keySums = memory.Zeros(Rows * size) - piece.Low * size, valueSums = memory.Zeros(Rows * size) - piece.Low * size;
        var weights = memory.Take(Scores);
        var slopes = memory.Take(Scores);
        var queryRows = memory.Take(Queries * size);
        var queries = memory.Take(Queries * size);
        var gradientRows = memory.Take(Queries * size);
        var gradients = memory.Take(Queries * size);
        var result = memory.Take(Queries * size);
        var maxima = memory.Take(Queries);
        var inverses = memory.Take(Queries);
        var means = memory.Take(Queries);
        for (var first = piece.First; first < piece.End; first += Queries)
        {
            var block = new AttentionBlock(shape, span, first);
            LoadKeys(k, v, block.High, keys, values);
            for (var head = 0; head < HeadsPerGroup; head++)
            {
                FetchNext(block, head, q, outputGradient, qGradient, k, v, 5);
                LoadQueries(q, block, head, queryRows, queries, shape.Rotated, shape.Scale / Log2);
                LoadQueries(outputGradient, block, head, gradientRows, gradients, 0, 1);
                var norm = norms + NormAt(first, head);
                // A lane without a query has zero weight.
                for (var r = 0; r < block.Lanes; r++, norm += 2 * shape.Heads) (maxima[r], inverses[r]) = r < block.Count ? (norm[0], norm[1]) : (0, 0);
                new Span<float>(means, block.Lanes).Clear();
                for (var i = 0; i < block.Parts; i++)
                {
                    var part = block.Part(i);
                    var at = At(block, part);
                    Products(block, part, keys, queries, weights + at, block.Lanes);
                    Products(block, part, values, gradients, slopes + at, block.Lanes);
                    Hide(block, part, weights + at, block.Lanes);
                    Drop(block, part, slopes + at, block.Lanes, head);
                    AttentionWeights.Weigh(weights + at, slopes + at, part.Keys, block.Lanes, part.Lanes, maxima + part.Lane, inverses + part.Lane, means + part.Lane);
                }
                new Span<float>(result, size * block.Lanes).Clear();
                for (var i = 0; i < block.Parts; i++)
                {
                    var part = block.Part(i);
                    var at = At(block, part);
                    AttentionWeights.Slope(weights + at, slopes + at, part.Keys, block.Lanes, part.Lanes, means + part.Lane);
                    Drop(block, part, weights + at, block.Lanes, head);
                    AddProducts(block, part, weights + at, gradientRows, valueSums);
                    AddProducts(block, part, slopes + at, queryRows, keySums);
                    Sums(block, part, keys, slopes + at, block.Lanes, result);
                }
                TileProducts.Transpose(result, size, block.Lanes, queryRows);
                Turn(queryRows, size, qGradient + QueryAt(first, head), queryRow, first, block.Count, shape.Rotated, true, shape.Scale);
            }
        }
        StoreKeys(keySums, kGradient, shared, shape.Rotated, Log2);
        StoreKeys(valueSums, vGradient, shared + piece.Shared * size, 0, 1);
    }

    /// <summary>Adds the gradients that <see cref="Backward"/> wrote to a buffer to those of the positions' own pieces.</summary>
    public void AddShared(float* shared, float* kGradient, float* vGradient)
    {
        Add(kGradient, piece.Low, piece.First);
        Add(kGradient, piece.End, piece.Top);
        Add(vGradient, piece.Low, piece.First);
        Add(vGradient, piece.End, piece.Top);

        void Add(float* to, int from, int end)
        {
            for (var position = from; position < end; position++, shared += size) FactoredProduct.AddRow(to + KeyAt(position), shared, 1, size);
        }
    }

    private int HeadsPerGroup => shape.Heads / shape.KeyValueHeads;

    private long QueryAt(int position, int head) => (long)span.Row(position) * queryRow + (group * HeadsPerGroup + head) * size;

    private long KeyAt(int position) => (long)span.Row(position) * keyRow + group * size;

    private long NormAt(int position, int head) => 2 * ((long)span.Row(position) * shape.Heads + group * HeadsPerGroup + head);

    // Rows of all keys and some more, a multiple of 8.
    private int Rows => (piece.Top - piece.Low + 2 * Spare) & ~Spare;

    // Size of the scores of a block, whose keys begin at a multiple of 8 before its window.
    private int Scores => Queries * Math.Min(Rows, shape.Window is { } window && window < Rows ? window + Queries + 3 * Spare : Rows);

    // Size of the scores of a part.
    private static int PartScores => Queries * (AttentionBlock.Piece + Spare);

    // Where the values of a part begin among those of its block.
    private static int At(in AttentionBlock block, in AttentionPart part) => (part.Key - block.Low) * block.Lanes + part.Lane;

    // [keys, lanes]: the products of keys [positions, size] with the columns of queries [size, lanes]. They may be followed by up to seven rows too many, which belong to no part or to a later one.
    private void Products(in AttentionBlock block, in AttentionPart part, float* keys, float* queries, float* scores, int row)
    {
        fetcher.Fetch();
        if (part.Keys > 0) TileProducts.Run(keys + part.Key * size, size, 1, queries + part.Lane, block.Lanes, scores, row, (part.Keys + Spare) & ~Spare, size, part.Lanes);
    }

    // Adds to [size, lanes] the sums of values [positions, size] by weights [keys, lanes].
    private void Sums(in AttentionBlock block, in AttentionPart part, float* values, float* weights, int row, float* result)
    {
        fetcher.Fetch();
        if (part.Keys > 0) TileProducts.Run(values + part.Key * size, 1, size, weights, row, result + part.Lane, block.Lanes, size, part.Keys, part.Lanes, add: true);
    }

    // Adds the sums of rows [lanes, size] by weights [keys, lanes] to [positions, size].
    private void AddProducts(in AttentionBlock block, in AttentionPart part, float* weights, float* rows, float* sums)
    {
        fetcher.Fetch();
        if (part.Keys > 0) TileProducts.Run(weights, block.Lanes, 1, rows + part.Lane * size, size, sums + part.Key * size, size, part.Keys, Math.Min(part.Lanes, block.Count - part.Lane), size, add: true);
    }

    private void Hide(in AttentionBlock block, in AttentionPart part, float* scores, int row)
    {
        if (!shape.Causal) return;
        for (var lane = 0; lane < part.Lanes; lane += Group) AttentionWeights.Hide(scores + lane, part.Key, part.Keys, row, block.First + part.Lane + lane, shape.Window);
    }

    private void Drop(in AttentionBlock block, in AttentionPart part, float* values, int row, int head)
    {
        if (shape.Dropout is not { } dropout) return;
        for (var lane = 0; lane < part.Lanes; lane += Group) dropout.Apply(values + lane, span, group * HeadsPerGroup + head, block.First + part.Lane + lane, part.Key, part.Keys, row);
    }

    // The rows of a block's queries [lanes, size], and their transpose [size, lanes].
    private void LoadQueries(float* from, in AttentionBlock block, int head, float* rows, float* turned, int rotated, float scale)
    {
        Turn(from + QueryAt(block.First, head), queryRow, rows, size, block.First, block.Count, rotated, false, scale);
        if (block.Count < block.Lanes) new Span<float>(rows + block.Count * size, (block.Lanes - block.Count) * size).Clear();
        TileProducts.Transpose(rows, block.Lanes, size, turned);
    }

    // Rows of keys and values up to a position.
    private void LoadKeys(float* k, float* v, int end, float* keys, float* values)
    {
        Load(Math.Min(end, span.PrefixLength));
        Load(end);

        void Load(int end)
        {
            var (at, count) = (loaded, end - loaded);
            if (count <= 0) return;
            var ahead = count > Queries;
            Turn(k + KeyAt(at), keyRow, keys + at * size, size, at, count, shape.Rotated, false, 1, ahead);
            Turn(v + KeyAt(at), keyRow, values + at * size, size, at, count, 0, false, 1, ahead);
            loaded = end;
        }
    }

    // Begins to fetch the rows of the next head or block: queries, outputs or their gradients, and with a block its new keys and values.
    private void FetchNext(in AttentionBlock block, int head, float* q, float* output, float* gradient, float* k, float* v, int products)
    {
        fetcher.Clear();
        var (first, next) = head + 1 < HeadsPerGroup ? (block.First, head + 1) : (block.First + Queries, 0);
        if (first < piece.End)
        {
            var (at, count) = (QueryAt(first, next), Math.Min(Queries, piece.End - first));
            fetcher.Add(q + at, queryRow, count);
            fetcher.Add(output + at, queryRow, count);
            if (gradient is not null) fetcher.Add(gradient + at, queryRow, count);
            if (next == 0)
            {
                var keys = new AttentionBlock(shape, span, first).High - loaded;
                fetcher.Add(k + KeyAt(loaded), keyRow, keys);
                fetcher.Add(v + KeyAt(loaded), keyRow, keys);
            }
        }
        fetcher.Divide(products * block.Parts);
    }

    private void StoreKeys(float* from, float* to, float* shared, int rotated, float scale)
    {
        Turn(from + piece.First * size, size, to + KeyAt(piece.First), keyRow, piece.First, piece.End - piece.First, rotated, true, scale, true);
        Share(piece.Low, Math.Min(span.PrefixLength, piece.First));
        Share(Math.Max(span.PrefixLength, piece.Low), piece.First);
        Share(piece.End, piece.Top);

        void Share(int low, int high)
        {
            if (low >= high) return;
            Turn(from + low * size, size, shared, size, low, high - low, rotated, true, scale);
            shared += (high - low) * size;
        }
    }

    // Copies rows of consecutive positions, fetching a block ahead if there are many, multiplied by a factor and rotated: (x, y) → (x·cos − y·sin, y·cos + x·sin), or back.
    private void Turn(float* from, int fromRow, float* to, int toRow, int position, int count, int rotated, bool back, float scale, bool ahead = false)
    {
        var angles = (long)(span.HasOwnAngles ? span.Row(position) : position) * rotated;
        // The first half of the table has −sin, the second sin.
        if (rotated > 0) Rotate(from, fromRow, to, toRow, count, rotated, cosine + angles, sine + angles + (back ? 0 : rotated / 2), scale, ahead);
        if (rotated < size) Scale(from + rotated, fromRow, to + rotated, toRow, count, size - rotated, scale, ahead);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Rotate(float* from, nint fromRow, float* to, nint toRow, int count, int rotated, float* cosine, float* sine, float scale, bool ahead)
    {
        nint half = rotated / 2;
        var (wide, factor) = (Vector512.Create(scale), Vector128.Create(scale));
        for (var row = 0; row < count; row++, from += fromRow, to += toRow, cosine += rotated, sine += rotated)
        {
            if (ahead)
            {
                RowFetcher.Row(from + Queries * fromRow, rotated);
                RowFetcher.Row(to + Queries * toRow, rotated);
            }
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
    private static void Scale(float* from, nint fromRow, float* to, nint toRow, int count, int width, float scale, bool ahead)
    {
        var (wide, factor) = (Vector512.Create(scale), Vector256.Create(scale));
        for (var row = 0; row < count; row++, from += fromRow, to += toRow)
        {
            if (ahead)
            {
                RowFetcher.Row(from + Queries * fromRow, width);
                RowFetcher.Row(to + Queries * toRow, width);
            }
            nint d = 0;
            if (Vector512.IsHardwareAccelerated)
                for (; d + 16 <= width; d += 16) (Vector512.Load(from + d) * wide).Store(to + d);
            for (; d + 8 <= width; d += 8) (Vector256.Load(from + d) * factor).Store(to + d);
            for (; d < width; d++) to[d] = from[d] * scale;
        }
    }
}
