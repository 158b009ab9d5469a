using System.Buffers;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Shapes and settings of one attention pass.</summary>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key/value heads; each serves as many query heads.</param>
/// <param name="Size">Size of a head, a multiple of 8.</param>
/// <param name="Rotated">Dimensions of a head that the rotary embedding turns; 0 for none.</param>
/// <param name="Scale">Factor of the scores.</param>
/// <param name="Window">How many positions a query sees, itself included; null for all before it.</param>
internal sealed record AttentionShape(int Heads, int KeyValueHeads, int Size, int Rotated, float Scale, int? Window);

/// <summary>One sequence among the rows <c>[positions, heads, size]</c> of a tensor.</summary>
/// <param name="Start">Its first row.</param>
/// <param name="Length">Its rows.</param>
/// <param name="Angle">Row of the angles that its first position turns by.</param>
internal readonly record struct AttentionSpan(int Start, int Length, int Angle);

/// <summary>
/// Causal attention of one sequence and one key/value head on the CPU, the rotary embedding included, row by row: the scores of four
/// queries exist at a time (Dao et al. 2022, arXiv:2205.14135, without its tiling of keys: a row of scores fits the cache).
/// </summary>
internal sealed unsafe class AttentionKernel(AttentionShape shape, AttentionSpan span, int group, float* cosine, float* sine) : IDisposable
{
    private readonly int size = shape.Size;
    private readonly int stride = (span.Length + ThinProducts.Columns - 1) / ThinProducts.Columns * ThinProducts.Columns;
    private readonly List<float[]> rented = [];
    private readonly List<MemoryHandle> pins = [];

    /// <summary>
    /// Fills the outputs and, if they are wanted, what makes weights of scores again: each row's largest score and 1 / Σ exp(score − largest). The
    /// logarithm of both together would be one number, but loses the sum where scores are in the thousands.
    /// </summary>
    /// <param name="q">[rows, heads, size]</param>
    /// <param name="k">[rows, key/value heads, size]</param>
    /// <param name="v">[rows, key/value heads, size]</param>
    /// <param name="output">[rows, heads, size]</param>
    /// <param name="norms">[rows, heads, 2], or null.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Forward(float* q, float* k, float* v, float* output, float* norms)
    {
        var keys = Transposed(k, rotate: true);
        var values = Rows(v, rotate: false);
        var scores = Rent(ThinProducts.Rows * stride);
        var queries = Rent(ThinProducts.Rows * size);
        var result = Rent(ThinProducts.Rows * size);
        var inverse = stackalloc float[ThinProducts.Rows];
        for (var head = 0; head < HeadsPerGroup; head++)
        {
            for (var first = 0; first < span.Length; first += ThinProducts.Rows)
            {
                var (low, columns) = Visible(first);
                LoadRows(q, first, head, queries, rotate: true, shape.Scale);
                ThinProducts.Multiply(queries, size, keys + low, stride, columns, scores + low);
                for (var r = 0; r < ThinProducts.Rows && first + r < span.Length; r++)
                {
                    var row = scores + r * stride;
                    Hide(row, low, columns, first + r, float.NegativeInfinity);
                    var (maximum, sum) = Exponentiate(row + low, columns);
                    inverse[r] = 1 / sum;
                    if (norms is null) continue;
                    var norm = norms + At(first + r, head) / size * 2;
                    (norm[0], norm[1]) = (maximum, inverse[r]);
                }
                ThinProducts.Combine(scores + low, stride, columns, values + low * size, size, result);
                for (var r = 0; r < ThinProducts.Rows && first + r < span.Length; r++)
                {
                    var to = output + At(first + r, head);
                    for (var d = 0; d < size; d += 8) (Vector256.Load(result + r * size + d) * inverse[r]).Store(to + d);
                }
            }
        }
    }

    /// <summary>Fills the gradients from that of the outputs. The weights are computed again, not kept.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public void Backward(float* q, float* k, float* v, float* norms, float* outputGradient, float* qGradient, float* kGradient, float* vGradient)
    {
        var keys = Rows(k, rotate: true);
        var keysTransposed = Transposed(k, rotate: true);
        var valuesTransposed = Transposed(v, rotate: false);
        var keySums = Rent(stride * size);
        var valueSums = Rent(stride * size);
        var weights = Rent(ThinProducts.Rows * stride);
        var slopes = Rent(ThinProducts.Rows * stride);
        var queries = Rent(ThinProducts.Rows * size);
        var gradients = Rent(ThinProducts.Rows * size);
        var result = Rent(ThinProducts.Rows * size);
        for (var head = 0; head < HeadsPerGroup; head++)
        {
            for (var first = 0; first < span.Length; first += ThinProducts.Rows)
            {
                var (low, columns) = Visible(first);
                LoadRows(q, first, head, queries, rotate: true, shape.Scale);
                LoadRows(outputGradient, first, head, gradients, rotate: false, 1);
                ThinProducts.Multiply(queries, size, keysTransposed + low, stride, columns, weights + low);
                ThinProducts.Multiply(gradients, size, valuesTransposed + low, stride, columns, slopes + low);
                for (var r = 0; r < ThinProducts.Rows; r++)
                {
                    var weight = weights + r * stride + low;
                    var slope = slopes + r * stride + low;
                    if (first + r >= span.Length)
                    {
                        new Span<float>(weight, columns).Clear();
                        new Span<float>(slope, columns).Clear();
                        continue;
                    }
                    Hide(weights + r * stride, low, columns, first + r, float.NegativeInfinity);
                    var norm = norms + At(first + r, head) / size * 2;
                    Slope(weight, slope, columns, norm[0], norm[1]);
                }
                ThinProducts.Scatter(weights + low, stride, columns, gradients, size, valueSums + low * size);
                ThinProducts.Scatter(slopes + low, stride, columns, queries, size, keySums + low * size);
                ThinProducts.Combine(slopes + low, stride, columns, keys + low * size, size, result);
                for (var r = 0; r < ThinProducts.Rows && first + r < span.Length; r++)
                    StoreRow(result + r * size, first + r, qGradient + At(first + r, head), shape.Scale, rotated: true);
            }
        }
        for (var i = 0; i < span.Length; i++)
        {
            StoreRow(keySums + i * size, i, kGradient + KeyAt(i), 1, rotated: true);
            StoreRow(valueSums + i * size, i, vGradient + KeyAt(i), 1, rotated: false);
        }
    }

    private int HeadsPerGroup => shape.Heads / shape.KeyValueHeads;

    private long At(int position, int head) => ((long)(span.Start + position) * shape.Heads + group * HeadsPerGroup + head) * size;

    private long KeyAt(int position) => ((long)(span.Start + position) * shape.KeyValueHeads + group) * size;

    // What four queries from a first one on see, in whole vectors.
    private (int Low, int Columns) Visible(int first)
    {
        var low = shape.Window is { } window ? Math.Max(0, first - window + 1) / ThinProducts.Columns * ThinProducts.Columns : 0;
        var high = Math.Min(span.Length, first + ThinProducts.Rows);
        return (low, (high - low + ThinProducts.Columns - 1) / ThinProducts.Columns * ThinProducts.Columns);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Hide(float* row, int low, int columns, int query, float value)
    {
        for (var j = query + 1; j < low + columns; j++) row[j] = value;
        if (shape.Window is not { } window) return;
        for (var j = low; j <= query - window; j++) row[j] = value;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static (float Maximum, float Sum) Exponentiate(float* row, int columns)
    {
        var (left, right) = (Vector256.Load(row), Vector256.Load(row + 8));
        for (var j = 16; j < columns; j += 16)
        {
            left = Vector256.MaxNative(left, Vector256.Load(row + j));
            right = Vector256.MaxNative(right, Vector256.Load(row + j + 8));
        }
        left = Vector256.MaxNative(left, right);
        var most = Vector128.MaxNative(left.GetLower(), left.GetUpper());
        most = Vector128.MaxNative(most, Vector128.Shuffle(most, Vector128.Create(2, 3, 0, 1)));
        var maximum = MathF.Max(most[0], most[1]);
        var (offset, sums) = (Vector256.Create(maximum), Vector256<float>.Zero);
        for (var j = 0; j < columns; j += 8)
        {
            var e = Exponential.Of(Vector256.Load(row + j) - offset);
            e.Store(row + j);
            sums += e;
        }
        return (maximum, Vector256.Sum(sums));
    }

    // From scores s and dL/dp: p = exp(s − largest)/sum, then dL/ds = p·(dL/dp − Σ p·dL/dp).
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Slope(float* weight, float* slope, int columns, float maximum, float inverse)
    {
        var (offset, factor, sums) = (Vector256.Create(maximum), Vector256.Create(inverse), Vector256<float>.Zero);
        for (var j = 0; j < columns; j += 8)
        {
            var p = Exponential.Of(Vector256.Load(weight + j) - offset) * factor;
            p.Store(weight + j);
            sums = Vector256.FusedMultiplyAdd(p, Vector256.Load(slope + j), sums);
        }
        var mean = Vector256.Create(Vector256.Sum(sums));
        for (var j = 0; j < columns; j += 8) (Vector256.Load(weight + j) * (Vector256.Load(slope + j) - mean)).Store(slope + j);
    }

    private void LoadRows(float* from, int first, int head, float* to, bool rotate, float scale)
    {
        for (var r = 0; r < ThinProducts.Rows; r++)
        {
            if (first + r < span.Length) LoadRow(from + At(first + r, head), first + r, to + r * size, rotate, scale);
            else new Span<float>(to + r * size, size).Clear();
        }
    }

    // x → x·cos + swap(x)·sin over the turned dimensions; the sine carries the sign of its half.
    private void LoadRow(float* from, int position, float* to, bool rotate, float scale)
    {
        var turned = rotate ? shape.Rotated : 0;
        var half = turned / 2;
        var s = Angle(sine, position);
        Turn(from, Angle(cosine, position), s, s + half, to, half, scale);
        Scale(from + turned, to + turned, size - turned, scale);
    }

    // The transpose of that.
    private void StoreRow(float* from, int position, float* to, float scale, bool rotated)
    {
        var turned = rotated ? shape.Rotated : 0;
        var half = turned / 2;
        var s = Angle(sine, position);
        Turn(from, Angle(cosine, position), s + half, s, to, half, scale);
        Scale(from + turned, to + turned, size - turned, scale);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Turn(float* from, float* cosine, float* firstSine, float* secondSine, float* to, int half, float scale)
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

    private float* Angle(float* table, int position) => table + (long)(span.Angle + position) * shape.Rotated;

    private float* Rows(float* from, bool rotate)
    {
        var to = Rent(stride * size);
        for (var i = 0; i < span.Length; i++) LoadRow(from + KeyAt(i), i, to + i * size, rotate, 1);
        return to;
    }

    private float* Transposed(float* from, bool rotate)
    {
        var to = Rent(stride * size);
        var row = Rent(size);
        for (var i = 0; i < span.Length; i++)
        {
            LoadRow(from + KeyAt(i), i, row, rotate, 1);
            for (var d = 0; d < size; d++) to[d * stride + i] = row[d];
        }
        return to;
    }

    // Zeros, so that padded rows and columns count for nothing.
    private float* Rent(int length)
    {
        var array = ArrayPool<float>.Shared.Rent(length);
        Array.Clear(array, 0, length);
        rented.Add(array);
        var pin = array.AsMemory().Pin();
        pins.Add(pin);
        return (float*)pin.Pointer;
    }

    public void Dispose()
    {
        foreach (var pin in pins) pin.Dispose();
        foreach (var array in rented) ArrayPool<float>.Shared.Return(array);
    }
}
