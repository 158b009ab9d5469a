using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>
/// x·Wᵀ for the few rows of a decode step. A decode step waits for the memory that W is read from: the codes are read once, and their values stay in the first-level cache until they are multiplied.
/// </summary>
/// <remarks>Only in inference mode: in training, passes without gradients (those of checkpointed activations) must round as passes with gradients do.</remarks>
internal static unsafe class RowProduct
{
    /// <summary>Above this, BLAS with panels is faster.</summary>
    public const int MostRows = 32;

    private const int Tile = 4;               // rows of W at a time: independent sums hide the latency
    private const int Depth = 1024;           // columns at a time: a tile takes half of the first-level cache
    private const long Worthwhile = 1 << 18;  // number of weights below which a second thread does not pay off

    /// <summary>True if the kernel supports an input <c>[…, in]</c>.</summary>
    public static bool Supports(Tensor input, long inputs)
        => is_inference_mode_enabled() && input.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16 && input.numel() is > 0 and var count && count <= MostRows * inputs;

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(ValueReader reader, Tensor input, int inputs, int outputs)
    {
        using var x = input.to_type(ScalarType.Float32);
        using var rows = x.contiguous();
        var shape = input.shape;
        shape[^1] = outputs;
        var result = empty(shape, ScalarType.Float32);
        fixed (float* xs = rows.Floats(), ys = result.Floats())
        {
            var (from, to, count) = ((nint)xs, (nint)ys, (int)(rows.numel() / inputs));
            void Outputs(int first, int length) => Run(reader, (float*)from, (float*)to, count, inputs, outputs, first, length);
            if ((long)inputs * outputs < Worthwhile) Outputs(0, outputs);
            else TensorMemory.InShares((outputs + Tile - 1) / Tile, (_, start, length) => Outputs(start * Tile, Math.Min(length * Tile, outputs - start * Tile)));
        }
        return Values.As(result, input.dtype);
    }

    private static void Run(ValueReader reader, float* x, float* y, int rows, int inputs, int outputs, int first, int count)
    {
        if (Vector512.IsHardwareAccelerated && Avx512F.IsSupported) Run<Sixteen512>(reader, x, y, rows, inputs, outputs, first, count);
        else if (Avx2.IsSupported) Run<Sixteen256>(reader, x, y, rows, inputs, outputs, first, count);
        else Run<Sixteen128>(reader, x, y, rows, inputs, outputs, first, count);
    }

    /// <summary>Some outputs of the product, with vectors of a given width.</summary>
    public static void Run<T>(ValueReader reader, float* x, float* y, int rows, int inputs, int outputs, int first, int count) where T : unmanaged, ISixteen<T>
    {
        var w = stackalloc float[Tile * Depth];
        for (var n = first; n < first + count; n += Tile)
        {
            var wide = Math.Min(Tile, first + count - n);
            for (var k = 0; k < inputs; k += Depth)
            {
                var deep = Math.Min(Depth, inputs - k);
                for (var i = 0; i < wide; i++) reader.Read<T>(n + i, k, deep, w + i * Depth);
                // Missing rows of a tile hold older values, whose sums are not stored.
                for (var row = 0; row < rows; row += 2)
                {
                    float* from = x + (nint)row * inputs + k, to = y + (nint)row * outputs + n;
                    if (row + 1 == rows) One<T>(from, w, deep, to, wide, k > 0);
                    else
                    {
                        Two<T>(from, from + inputs, w, deep, to, to + outputs, Math.Min(2, wide), k > 0);
                        if (wide > 2) Two<T>(from, from + inputs, w + 2 * Depth, deep, to + 2, to + outputs + 2, wide - 2, k > 0);
                    }
                }
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void One<T>(float* x, float* w, int deep, float* y, int wide, bool add) where T : unmanaged, ISixteen<T>
    {
        T s0 = default, s1 = default, s2 = default, s3 = default;
        float r0 = 0, r1 = 0, r2 = 0, r3 = 0;
        var k = 0;
        for (; k + 16 <= deep; k += 16)
        {
            var one = T.Load(x + k);
            s0 = T.MultiplyAdd(one, T.Load(w + k), s0);
            s1 = T.MultiplyAdd(one, T.Load(w + Depth + k), s1);
            s2 = T.MultiplyAdd(one, T.Load(w + 2 * Depth + k), s2);
            s3 = T.MultiplyAdd(one, T.Load(w + 3 * Depth + k), s3);
        }
        for (; k < deep; k++)
        {
            r0 += x[k] * w[k];
            r1 += x[k] * w[Depth + k];
            r2 += x[k] * w[2 * Depth + k];
            r3 += x[k] * w[3 * Depth + k];
        }
        Put(T.Sum(s0) + r0, y, add);
        if (wide > 1) Put(T.Sum(s1) + r1, y + 1, add);
        if (wide > 2) Put(T.Sum(s2) + r2, y + 2, add);
        if (wide > 3) Put(T.Sum(s3) + r3, y + 3, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Two<T>(float* x, float* below, float* w, int deep, float* y, float* yBelow, int wide, bool add) where T : unmanaged, ISixteen<T>
    {
        T s00 = default, s01 = default, s10 = default, s11 = default;
        float r00 = 0, r01 = 0, r10 = 0, r11 = 0;
        var k = 0;
        for (; k + 16 <= deep; k += 16)
        {
            T u = T.Load(w + k), v = T.Load(w + Depth + k), one = T.Load(x + k), two = T.Load(below + k);
            s00 = T.MultiplyAdd(one, u, s00);
            s01 = T.MultiplyAdd(one, v, s01);
            s10 = T.MultiplyAdd(two, u, s10);
            s11 = T.MultiplyAdd(two, v, s11);
        }
        for (; k < deep; k++)
        {
            r00 += x[k] * w[k];
            r01 += x[k] * w[Depth + k];
            r10 += below[k] * w[k];
            r11 += below[k] * w[Depth + k];
        }
        Put(T.Sum(s00) + r00, y, add);
        Put(T.Sum(s10) + r10, yBelow, add);
        if (wide < 2) return;
        Put(T.Sum(s01) + r01, y + 1, add);
        Put(T.Sum(s11) + r11, yBelow + 1, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put(float sum, float* to, bool add) => *to = add ? *to + sum : sum;
}
