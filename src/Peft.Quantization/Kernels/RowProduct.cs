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
    public const int MostRows = 96;

    private const int Lanes = 16;
    private const int Tile = 4;               // rows of W at a time: independent sums hide the latency
    private const int Depth = 1024;           // columns at a time: a tile takes half of the first-level cache
    private const long Worthwhile = 1 << 18;  // number of weights below which a second thread does not pay off

    /// <summary>True if the kernel supports an input <c>[…, in]</c>.</summary>
    public static bool Supports(Tensor input, long inputs)
        => is_inference_mode_enabled() && input.dtype is ScalarType.Float32 or ScalarType.BFloat16 or ScalarType.Float16 && input.numel() is > 0 and var count && count <= MostRows * inputs;

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(ValueReader reader, Tensor input, int inputs, int outputs)
    {
        var count = (int)(input.numel() / inputs);
        var fits = input.dtype == ScalarType.Float32 && inputs % Lanes == 0 && input.is_contiguous();
        using var prepared = fits ? null : Prepared(input, inputs);
        var rows = prepared ?? input;
        Span<long> shape = stackalloc long[(int)input.dim()];
        for (var i = 0; i < shape.Length; i++) shape[i] = input.size(i);
        shape[^1] = outputs;
        var result = CachingAllocator.Empty(shape);
        var (x, y) = (TensorAddress.Of(rows), TensorAddress.Of(result));
        void Outputs(int first, int length) => Run(reader, (float*)x, (float*)y, count, inputs, outputs, first, length);
        if ((long)inputs * outputs < Worthwhile) Outputs(0, outputs);
        else TensorMemory.InRanges(outputs, Tile, Outputs);
        return Values.As(result, input.dtype);
    }

    // In float32, with rows that are filled up to whole vectors.
    private static Tensor Prepared(Tensor input, int inputs)
    {
        using var wide = input.to_type(ScalarType.Float32);
        using var padded = nn.functional.pad(wide, [0, Padded(inputs) - inputs]);
        return padded.contiguous();
    }

    /// <summary>The length of a row of x that is filled up with zeros to whole vectors.</summary>
    public static int Padded(int inputs) => (inputs + Lanes - 1) / Lanes * Lanes;

    /// <summary>Some outputs of the product, by the calling thread.</summary>
    /// <inheritdoc cref="Run{T}"/>
    public static void Run(ValueReader reader, float* x, float* y, int rows, int inputs, int outputs, int first, int count)
    {
        if (Vector512.IsHardwareAccelerated && Avx512F.IsSupported) Run<Sixteen512>(reader, x, y, rows, inputs, outputs, first, count);
        else if (Avx2.IsSupported) Run<Sixteen256>(reader, x, y, rows, inputs, outputs, first, count);
        else Run<Sixteen128>(reader, x, y, rows, inputs, outputs, first, count);
    }

    /// <summary>Some outputs of the product, with vectors of a given width.</summary>
    /// <param name="reader">Reads W <c>[outputs, inputs]</c>.</param>
    /// <param name="x">The rows, each of <see cref="Padded"/> values.</param>
    /// <param name="y">Takes the products <c>[rows, outputs]</c>.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="inputs">Length of a row of W.</param>
    /// <param name="outputs">Number of rows of W.</param>
    /// <param name="first">The first output.</param>
    /// <param name="count">Number of outputs.</param>
    public static void Run<T>(ValueReader reader, float* x, float* y, int rows, int inputs, int outputs, int first, int count) where T : unmanaged, ISixteen<T>
    {
        if (rows == 1 && reader.Multiplies)
        {
            reader.Multiply<T>(first, count, x, y + first);
            return;
        }
        var w = stackalloc float[Tile * Depth];
        var length = Padded(inputs);
        for (var n = first; n < first + count; n += Tile)
        {
            var high = Math.Min(Tile, first + count - n);
            for (var k = 0; k < inputs; k += Depth)
            {
                var deep = Math.Min(Depth, inputs - k);
                for (var i = 0; i < high; i++)
                {
                    reader.Read<T>(n + i, k, deep, w + i * Depth);
                    new Span<float>(w + i * Depth + deep, Padded(deep) - deep).Clear();
                }
                // Missing rows of a tile hold older values, whose sums are not stored.
                for (var row = 0; row < rows;)
                {
                    float* from = x + (nint)row * length + k, to = y + (nint)row * outputs + n;
                    var (deepest, add) = (Padded(deep), k > 0);
                    if (T.IsOneVector && row + 4 <= rows)
                    {
                        Four<T>(from, length, w, deepest, to, outputs, high, add);
                        row += 4;
                    }
                    else if (row + 2 <= rows)
                    {
                        Two<T>(from, from + length, w, deepest, to, to + outputs, Math.Min(2, high), add);
                        if (high > 2) Two<T>(from, from + length, w + 2 * Depth, deepest, to + 2, to + outputs + 2, high - 2, add);
                        row += 2;
                    }
                    else
                    {
                        One<T>(from, w, deepest, to, high, add);
                        row++;
                    }
                }
            }
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void One<T>(float* x, float* w, int deep, float* y, int high, bool add) where T : unmanaged, ISixteen<T>
    {
        T s0 = default, s1 = default, s2 = default, s3 = default;
        for (var k = 0; k < deep; k += Lanes)
        {
            var one = T.Load(x + k);
            s0 = T.MultiplyAdd(one, T.Load(w + k), s0);
            s1 = T.MultiplyAdd(one, T.Load(w + Depth + k), s1);
            s2 = T.MultiplyAdd(one, T.Load(w + 2 * Depth + k), s2);
            s3 = T.MultiplyAdd(one, T.Load(w + 3 * Depth + k), s3);
        }
        Put(s0, s1, s2, s3, y, high, add);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Two<T>(float* x, float* below, float* w, int deep, float* y, float* yBelow, int high, bool add) where T : unmanaged, ISixteen<T>
    {
        T s00 = default, s01 = default, s10 = default, s11 = default;
        for (var k = 0; k < deep; k += Lanes)
        {
            T u = T.Load(w + k), v = T.Load(w + Depth + k), one = T.Load(x + k), two = T.Load(below + k);
            s00 = T.MultiplyAdd(one, u, s00);
            s01 = T.MultiplyAdd(one, v, s01);
            s10 = T.MultiplyAdd(two, u, s10);
            s11 = T.MultiplyAdd(two, v, s11);
        }
        Put(s00, s01, s01, s01, y, high, add);
        Put(s10, s11, s11, s11, yBelow, high, add);
    }

    // For processors with as many registers as AVX-512 has.
    [MethodImpl(JitOptions.Loop)]
    private static void Four<T>(float* x, nint length, float* w, int deep, float* y, nint outputs, int high, bool add) where T : unmanaged, ISixteen<T>
    {
        T s00 = default, s01 = default, s02 = default, s03 = default, s10 = default, s11 = default, s12 = default, s13 = default;
        T s20 = default, s21 = default, s22 = default, s23 = default, s30 = default, s31 = default, s32 = default, s33 = default;
        float* x1 = x + length, x2 = x1 + length, x3 = x2 + length;
        for (var k = 0; k < deep; k += Lanes)
        {
            T a = T.Load(w + k), b = T.Load(w + Depth + k), c = T.Load(w + 2 * Depth + k), d = T.Load(w + 3 * Depth + k);
            var one = T.Load(x + k);
            s00 = T.MultiplyAdd(one, a, s00);
            s01 = T.MultiplyAdd(one, b, s01);
            s02 = T.MultiplyAdd(one, c, s02);
            s03 = T.MultiplyAdd(one, d, s03);
            one = T.Load(x1 + k);
            s10 = T.MultiplyAdd(one, a, s10);
            s11 = T.MultiplyAdd(one, b, s11);
            s12 = T.MultiplyAdd(one, c, s12);
            s13 = T.MultiplyAdd(one, d, s13);
            one = T.Load(x2 + k);
            s20 = T.MultiplyAdd(one, a, s20);
            s21 = T.MultiplyAdd(one, b, s21);
            s22 = T.MultiplyAdd(one, c, s22);
            s23 = T.MultiplyAdd(one, d, s23);
            one = T.Load(x3 + k);
            s30 = T.MultiplyAdd(one, a, s30);
            s31 = T.MultiplyAdd(one, b, s31);
            s32 = T.MultiplyAdd(one, c, s32);
            s33 = T.MultiplyAdd(one, d, s33);
        }
        Put(s00, s01, s02, s03, y, high, add);
        Put(s10, s11, s12, s13, y + outputs, high, add);
        Put(s20, s21, s22, s23, y + 2 * outputs, high, add);
        Put(s30, s31, s32, s33, y + 3 * outputs, high, add);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Put<T>(T s0, T s1, T s2, T s3, float* y, int high, bool add) where T : unmanaged, ISixteen<T>
    {
        var sums = T.Sums(s0, s1, s2, s3);
        if (high == 4)
        {
            (add ? Vector128.Load(y) + sums : sums).Store(y);
            return;
        }
        for (var i = 0; i < high; i++) y[i] = add ? y[i] + sums[i] : sums[i];
    }
}
