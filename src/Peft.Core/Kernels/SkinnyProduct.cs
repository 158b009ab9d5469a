using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ + b for the few rows of a decode step or a prompt, on the CPU in float32. All threads together read W once, in storage order. BLAS reads it with a single thread for a single row, and
/// copies all of it into another layout for several rows, which costs more than the product of so few rows.
/// </summary>
/// <remarks>Only in inference mode: in training, forward passes without gradients (activation checkpointing) must round like those with gradients.</remarks>
internal static unsafe class SkinnyProduct
{
    private const int MostByColumns = 32;     // a prompt of GPT-2 takes as long with BLAS at 48 rows, and less at 64
    private const int Unit = 48;              // ranges are whole tiles of all kernels
    private const long Worthwhile = 1 << 18;  // number of multiplications below which a second thread does not pay off

    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="input"><c>[…, inputs]</c></param>
    /// <param name="weight"><c>[outputs, inputs]</c>, stored by rows or by columns.</param>
    /// <param name="bias"><c>[outputs]</c>, or null.</param>
    /// <param name="inputs">Length of an input.</param>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias, long inputs)
        => TorchRuntime.Cpu.SkinnyProducts && is_inference_mode_enabled() && inputs % 4 == 0 && input.numel() is var count && count >= inputs && count <= (weight.is_contiguous() ? MostByRows : MostByColumns) * inputs && input.size(-1) == inputs && weight.dim() == 2 && weight.size(1) == inputs
           && TensorMemory.Supports(input, weight, bias ?? weight) && bias?.is_contiguous() != false && (weight.is_contiguous() || IsStoredByColumns(weight));

    // With more rows, MatrixProduct is faster, or BLAS nearly as fast.
    private static int MostByRows => MatrixProduct.IsSupported ? 128 : 512;

    private static bool IsStoredByColumns(Tensor weight) => weight.stride(0) == 1 && weight.stride(1) == weight.size(0);

    /// <returns><c>[…, outputs]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias, int inputs)
    {
        var (rows, outputs, byColumns) = ((int)(input.numel() / inputs), (int)weight.size(0), !weight.is_contiguous());
        var shape = input.Sizes();
        shape[^1] = outputs;
        var result = CachingAllocator.Empty(shape);
        using var stored = byColumns ? weight.t() : weight.alias();
        using var dense = input.contiguous();
        fixed (float* xs = dense.Floats(), ws = stored.Floats(), ys = result.Floats(), bs = bias is null ? [] : bias.Floats())
        {
            using var scratch = new Scratch(ReadsBlocks(rows, byColumns) ? BlockProduct.Floats(rows, inputs) : 1);
            if (ReadsBlocks(rows, byColumns)) BlockProduct.ArrangeByThreads(xs, rows, inputs, scratch.Memory);
            var (x, w, y, b) = ((nint)(ReadsBlocks(rows, byColumns) ? scratch.Memory : xs), (nint)ws, (nint)ys, (nint)bs);
            void Outputs(int first, int count) => Run((float*)x, (float*)w, (float*)b, (float*)y, rows, inputs, outputs, first, count, byColumns);
            if ((long)rows * inputs * outputs < Worthwhile) Outputs(0, outputs);
            else TensorMemory.InRanges(outputs, Unit, Outputs);
        }
        return result;
    }

    /// <summary>x·Wᵀ + b for a range of outputs, by the calling thread.</summary>
    /// <param name="x"><c>[rows, inputs]</c>, or in blocks if the kernel reads them (<see cref="ReadsBlocks"/>).</param>
    /// <param name="w">W <c>[outputs, inputs]</c>, stored by rows or by columns.</param>
    /// <param name="b"><c>[outputs]</c>, or null.</param>
    /// <param name="y">Takes the outputs, <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of an input, a multiple of 4.</param>
    /// <param name="outputs">Number of outputs.</param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs.</param>
    /// <param name="byColumns">True if W is stored by columns.</param>
    public static void Run(float* x, float* w, float* b, float* y, int rows, int inputs, int outputs, int first, int count, bool byColumns)
    {
        if (rows == 1) SingleRow(x, w, b, y, inputs, outputs, first, count, byColumns);
        else if (byColumns) Columns(x, w, b, y, rows, inputs, outputs, first, count);
        else BlockProduct.Run(x, w, b, y, rows, inputs, outputs, first, count);
    }

    /// <summary>True if the input must be in blocks (<see cref="BlockProduct.Arrange"/>).</summary>
    public static bool ReadsBlocks(int rows, bool byColumns) => rows > 1 && !byColumns;

    private static void SingleRow(float* x, float* w, float* b, float* y, int inputs, int outputs, int first, int count, bool byColumns)
    {
        if (!byColumns)
        {
            DecodeProduct.Multiply(x, w + (nint)first * inputs, b == null ? null : b + first, y + first, inputs, count);
            return;
        }
        if (b == null) new Span<float>(y + first, count).Clear();
        else new ReadOnlySpan<float>(b + first, count).CopyTo(new Span<float>(y + first, count));
        for (var k = 0; k < inputs; k += 4) Sums(x + k, w + (nint)k * outputs + first, y + first, outputs, count);
    }

    // Adds the products of four rows of Wᵀ to the outputs, which stay in the L1 cache, and fetches the next four rows: the hardware prefetcher begins anew in each row.
    [MethodImpl(JitOptions.Loop)]
    private static void Sums(float* x, float* w, float* y, nint outputs, int count)
    {
        float* w1 = w + outputs, w2 = w1 + outputs, w3 = w2 + outputs, next = w3 + outputs, next1 = next + outputs, next2 = next1 + outputs, next3 = next2 + outputs;
        Vector256<float> x0 = Vector256.Create(x[0]), x1 = Vector256.Create(x[1]), x2 = Vector256.Create(x[2]), x3 = Vector256.Create(x[3]);
        nint n = 0;
        for (; n + 8 <= count; n += 8)
        {
            Prefetch.Far(next + n);
            Prefetch.Far(next1 + n);
            Prefetch.Far(next2 + n);
            Prefetch.Far(next3 + n);
            var sum = Vector256.FusedMultiplyAdd(x0, Vector256.Load(w + n), Vector256.Load(y + n));
            sum = Vector256.FusedMultiplyAdd(x1, Vector256.Load(w1 + n), sum);
            sum = Vector256.FusedMultiplyAdd(x2, Vector256.Load(w2 + n), sum);
            Vector256.FusedMultiplyAdd(x3, Vector256.Load(w3 + n), sum).Store(y + n);
        }
        for (; n < count; n++) y[n] += x[0] * w[n] + x[1] * w1[n] + x[2] * w2[n] + x[3] * w3[n];
    }

    private const int Depth = 16;   // rows of Wᵀ read at a time, so that the outputs stay in the L1 and L2 caches
    private const int Ahead = 64;   // outputs between what is read and what is fetched

    [MethodImpl(JitOptions.Loop)]
    private static void Columns(float* x, float* w, float* b, float* y, int rows, int inputs, int outputs, int first, int count)
    {
        for (var row = 0; row < rows; row++)
        {
            var to = new Span<float>(y + (nint)row * outputs + first, count);
            if (b == null) to.Clear();
            else new ReadOnlySpan<float>(b + first, count).CopyTo(to);
        }
        for (var k = 0; k < inputs; k += Depth)
        {
            var deep = Math.Min(Depth, inputs - k);
            var from = w + (nint)k * outputs + first;
            var n = 0;
            for (; n + 16 <= count; n += 16)
            {
                // The hardware prefetcher does not follow as many rows.
                for (var i = 0; i < deep; i++) Prefetch.Near(from + n + Ahead + (nint)i * outputs);
                var row = 0;
                for (; Vector512.IsHardwareAccelerated && row + 8 <= rows; row += 8)
                    EightRows.Sixteen(x + (nint)row * inputs + k, inputs, from + n, outputs, y + (nint)row * outputs + first + n, outputs, deep, from + n, outputs);
                for (; row < rows; row += 4)
                    Tile(x + (nint)row * inputs + k, inputs, from + n, outputs, y + (nint)row * outputs + first + n, deep, Math.Min(4, rows - row));
            }
            for (; n < count; n++)
                for (var row = 0; row < rows; row++)
                {
                    float* one = x + (nint)row * inputs + k, to = y + (nint)row * outputs + first + n;
                    for (var i = 0; i < deep; i++) *to += one[i] * from[(nint)i * outputs + n];
                }
        }
    }

    // Four inputs and sixteen outputs. Missing inputs repeat the last one, whose sums are stored last.
    [MethodImpl(JitOptions.Loop)]
    private static void Tile(float* x, nint inputs, float* w, nint outputs, float* y, int deep, int high)
    {
        float* x1 = high > 1 ? x + inputs : x, x2 = high > 2 ? x1 + inputs : x1, x3 = high > 3 ? x2 + inputs : x2;
        float* y1 = high > 1 ? y + outputs : y, y2 = high > 2 ? y1 + outputs : y1, y3 = high > 3 ? y2 + outputs : y2;
        Vector256<float> a0 = Vector256.Load(y), b0 = Vector256.Load(y + 8), a1 = Vector256.Load(y1), b1 = Vector256.Load(y1 + 8);
        Vector256<float> a2 = Vector256.Load(y2), b2 = Vector256.Load(y2 + 8), a3 = Vector256.Load(y3), b3 = Vector256.Load(y3 + 8);
        for (var i = 0; i < deep; i++, w += outputs)
        {
            Vector256<float> u = Vector256.Load(w), v = Vector256.Load(w + 8);
            var one = Vector256.Create(x[i]);
            a0 = Vector256.FusedMultiplyAdd(one, u, a0);
            b0 = Vector256.FusedMultiplyAdd(one, v, b0);
            one = Vector256.Create(x1[i]);
            a1 = Vector256.FusedMultiplyAdd(one, u, a1);
            b1 = Vector256.FusedMultiplyAdd(one, v, b1);
            one = Vector256.Create(x2[i]);
            a2 = Vector256.FusedMultiplyAdd(one, u, a2);
            b2 = Vector256.FusedMultiplyAdd(one, v, b2);
            one = Vector256.Create(x3[i]);
            a3 = Vector256.FusedMultiplyAdd(one, u, a3);
            b3 = Vector256.FusedMultiplyAdd(one, v, b3);
        }
        a0.Store(y);
        b0.Store(y + 8);
        a1.Store(y1);
        b1.Store(y1 + 8);
        a2.Store(y2);
        b2.Store(y2 + 8);
        a3.Store(y3);
        b3.Store(y3 + 8);
    }
}
