using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Adds s·(x·Aᵀ)·Bᵀ to the output of a decode step, on the CPU in float32. One call replaces four torch operations, whose overhead exceeds the computation.</summary>
/// <remarks>Only in inference mode, like <see cref="SkinnyProduct"/>.</remarks>
internal static unsafe class LowRankStep
{
    /// <summary>Maximum number of rows at a time, whose products with A fit on the stack.</summary>
    public const int MostRows = 32;

    private const int MaxRank = 64;
    private const int Wide = 8;   // outputs in a vector

    /// <summary>Number of multiplications below which a second thread does not pay off.</summary>
    public const long Worthwhile = 1 << 16;

    /// <summary>True if the kernel supports such tensors.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    public static bool Supports(Tensor input, Tensor a, Tensor b)
        => TorchRuntime.Cpu.LowRankProducts && is_inference_mode_enabled() && Supports(a, b) && input.numel() > 0 && input.size(-1) == a.size(1)
           && TensorMemory.Supports(input) && input.is_contiguous();

    /// <summary>True if the kernel supports such factors.</summary>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    public static bool Supports(Tensor a, Tensor b) => a.size(0) <= MaxRank && TensorMemory.Supports(a, b) && a.is_contiguous() && b.is_contiguous();

    /// <summary>Adds the update to an output <c>[…, out]</c>, which is contiguous.</summary>
    public static void Add(Tensor output, Tensor input, Tensor a, Tensor b, double scale) => Add(output, input, a, b, scale, null);

    /// <summary>Adds the update to some rows of an output <c>[…, out]</c>, which is contiguous.</summary>
    /// <param name="output"><c>[…, out]</c></param>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    /// <param name="scale">The scaling factor.</param>
    /// <param name="rows">Indices of the rows; null for all.</param>
    public static void Add(Tensor output, Tensor input, Tensor a, Tensor b, double scale, IReadOnlyList<long>? rows)
    {
        var (inputs, outputs, rank) = ((int)a.size(1), (int)b.size(0), (int)a.size(0));
        var count = rows?.Count ?? (int)(input.numel() / inputs);
        fixed (float* xs = input.Floats(), af = a.Floats(), bf = b.Floats(), ys = output.Floats())
        {
            var (x, y, left, right) = ((nint)xs, (nint)ys, (nint)af, (nint)bf);
            void Rows(int first, int length)
            {
                for (; length > MostRows; first += MostRows, length -= MostRows) Few(first, MostRows);
                Few(first, length);
            }

            void Few(int first, int length)
            {
                var hidden = stackalloc float[MostRows * MaxRank];
                var to = stackalloc nint[MostRows];   // the outputs of each row
                for (var i = 0; i < length; i++)
                {
                    var row = (nint)(rows?[first + i] ?? first + i);
                    Reduce((float*)x + (row * inputs), (float*)left, hidden + i * rank, inputs, rank, (float)scale);
                    to[i] = (nint)((float*)y + (row * outputs));
                }
                Expand(hidden, (float*)right, to, rank, outputs, length);
            }
            // The rows of a group may already be one of several parallel chunks.
            if (rows is not null || count == 1 || (long)count * rank * (inputs + outputs) < Worthwhile) Rows(0, count);
            else TensorMemory.InShares(count, (_, first, length) => Rows(first, length));
        }
    }

    /// <summary>s·x·Aᵀ of a row.</summary>
    /// <param name="x">The row <c>[in]</c>.</param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="hidden">Takes the result <c>[rank]</c>.</param>
    /// <param name="inputs">Length of a row.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="scale">s</param>
    public static void Reduce(float* x, float* a, float* hidden, int inputs, int rank, float scale)
    {
        for (var r = 0; r < rank; r++, a += inputs) hidden[r] = Dot(x, a, inputs) * scale;
    }

    /// <summary>Adds hidden·Bᵀ to rows.</summary>
    /// <param name="hidden"><c>[count, rank]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    /// <param name="y">The address of each row <c>[out]</c>.</param>
    /// <param name="rank">The rank.</param>
    /// <param name="outputs">Number of outputs.</param>
    /// <param name="count">Number of rows.</param>
    public static void Expand(float* hidden, float* b, nint* y, int rank, int outputs, int count)
    {
        if (count == 1) ExpandOne(hidden, b, (float*)y[0], rank, outputs);
        else ExpandAll(hidden, b, y, rank, outputs, count);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void ExpandOne(float* hidden, float* b, float* y, int rank, int outputs)
    {
        if (rank == 8)
        {
            var eight = Vector256.Load(hidden);
            for (var n = 0; n < outputs; n++, b += 8) y[n] += Vector256.Sum(eight * Vector256.Load(b));
            return;
        }
        for (var n = 0; n < outputs; n++, b += rank) y[n] += Dot(hidden, b, rank);
    }

    // Eight outputs at a time: their rows of B are transposed once for all rows of the input.
    [MethodImpl(JitOptions.Loop)]
    private static void ExpandAll(float* hidden, float* b, nint* y, int rank, int outputs, int count)
    {
        var columns = stackalloc float[MaxRank * Wide];
        var n = 0;
        for (; n + Wide <= outputs; n += Wide, b += Wide * rank)
        {
            if (rank % Wide == 0)
            {
                for (var r = 0; r < rank; r += Wide) TileProducts.TransposeBlock(b + r, rank, columns + r * Wide, Wide);
            }
            else
            {
                for (var i = 0; i < Wide; i++)
                    for (var r = 0; r < rank; r++) columns[r * Wide + i] = b[i * rank + r];
            }
            var factors = hidden;
            for (var row = 0; row < count; row++)
            {
                var at = (float*)y[row] + n;
                var sum = Vector256.Load(at);
                for (var r = 0; r < rank; r++) sum = Vector256.FusedMultiplyAdd(Vector256.Create(*factors++), Vector256.Load(columns + r * Wide), sum);
                sum.Store(at);
            }
        }
        for (; n < outputs; n++, b += rank)
            for (var row = 0; row < count; row++) ((float*)y[row])[n] += Dot(hidden + row * rank, b, rank);
    }

    [MethodImpl(JitOptions.Loop)]
    private static float Dot(float* left, float* right, int size)
    {
        Vector256<float> even = default, odd = default;
        var d = 0;
        for (; d + 16 <= size; d += 16)
        {
            even = Vector256.FusedMultiplyAdd(Vector256.Load(left + d), Vector256.Load(right + d), even);
            odd = Vector256.FusedMultiplyAdd(Vector256.Load(left + d + 8), Vector256.Load(right + d + 8), odd);
        }
        if (d + 8 <= size)
        {
            even = Vector256.FusedMultiplyAdd(Vector256.Load(left + d), Vector256.Load(right + d), even);
            d += 8;
        }
        var sum = Vector256.Sum(even + odd);
        for (; d < size; d++) sum += left[d] * right[d];
        return sum;
    }
}
