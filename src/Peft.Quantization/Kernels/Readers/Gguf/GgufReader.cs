using System.Runtime.CompilerServices;
using Peft.Kernels;
using Peft.Quantization.Gguf;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="GgufMatrix"/>, whose rows are whole blocks.</summary>
internal sealed unsafe class GgufReader<TBlock>(byte* bytes, GgufType type, long columns) : ValueReader where TBlock : IGgufBlock
{
    private const int Width = 16;

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        var (parts, length) = (type.BlockSize / Width, type.BlockBytes);
        var block = bytes + (nint)((row * columns + column) / type.BlockSize) * length;
        for (var end = to + count; to < end; block += length)
        {
            var (scale, offset) = TBlock.Open(block);
            for (var i = 0; i < parts; i++, to += Width) TBlock.Sixteen<T>(block, i, scale, offset).Store(to);
        }
    }

    public override bool Multiplies => true;

    // A row at a time: processors fetch a single stream from memory faster than several. Two sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        var (parts, length) = (type.BlockSize / Width, type.BlockBytes);
        var block = bytes + (nint)(first * columns / type.BlockSize) * length;
        for (var row = 0; row < count; row++)
        {
            T even = default, odd = default;
            for (float* at = x, end = x + columns; at < end; block += length)
            {
                var (scale, offset) = TBlock.Open(block);
                for (var i = 0; i < parts; i += 2, at += 2 * Width)
                {
                    even = T.MultiplyAdd(TBlock.Sixteen<T>(block, i, scale, offset), T.Load(at), even);
                    odd = T.MultiplyAdd(TBlock.Sixteen<T>(block, i + 1, scale, offset), T.Load(at + Width), odd);
                }
            }
            y[row] = T.Sum(T.Add(even, odd));
        }
    }
}
