using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="Int8Matrix"/>: whole numbers, times the row's scale, times 1/127.</summary>
internal sealed unsafe class Int8Reader(sbyte* codes, float* scales, float step, long columns) : ValueReader
{
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var from = codes + row * columns + column;
        var (scale, i) = (scales[row], 0);
        var (factor, last) = (T.Of(scale), T.Of(step));
        for (; i + 16 <= count; i += 16) T.Multiply(T.Multiply(T.Of(Vector128.Load(from + i)), factor), last).Store(to + i);
        for (; i < count; i++) to[i] = from[i] * scale * step;
    }
}
