using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="Int8Matrix"/>: whole numbers, times the row's scale, times 1/127.</summary>
internal sealed unsafe class Int8Reader(sbyte* codes, float* scales, float step, long columns) : ValueReader
{
    private const int Ahead = 1024;   // bytes between what is read and what is fetched

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var from = codes + row * columns + column;
        var (scale, i) = (scales[row], 0);
        var (factor, last) = (T.Of(scale), T.Of(step));
        for (; i + 16 <= count; i += 16) T.Multiply(T.Multiply(T.Of(Vector128.Load(from + i)), factor), last).Store(to + i);
        for (; i < count; i++) to[i] = from[i] * scale * step;
    }

    public override bool Multiplies => columns % 16 == 0;

    // A row at a time: processors fetch a single stream from memory faster than several. Four sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        var (length, last) = ((nint)columns, step);
        var at = codes + (nint)first * length;
        for (var row = 0; row < count; row++, at += length)
        {
            T s0 = default, s1 = default, s2 = default, s3 = default;
            nint k = 0;
            for (; k + 64 <= length; k += 64)
            {
                Prefetch.Near(at + k + Ahead);
                s0 = T.MultiplyAdd(T.Of(Vector128.Load(at + k)), T.Load(x + k), s0);
                s1 = T.MultiplyAdd(T.Of(Vector128.Load(at + k + 16)), T.Load(x + k + 16), s1);
                s2 = T.MultiplyAdd(T.Of(Vector128.Load(at + k + 32)), T.Load(x + k + 32), s2);
                s3 = T.MultiplyAdd(T.Of(Vector128.Load(at + k + 48)), T.Load(x + k + 48), s3);
            }
            for (; k < length; k += 16) s0 = T.MultiplyAdd(T.Of(Vector128.Load(at + k)), T.Load(x + k), s0);
            y[row] = T.Sum(T.Add(T.Add(s0, s1), T.Add(s2, s3))) * (scales[first + row] * last);
        }
    }
}
