using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Peft.Kernels;
using Peft.Quantization.Gguf;

namespace Peft.Quantization.Kernels;

/// <summary>Values of <see cref="GgufMatrix"/>, whose rows are whole blocks.</summary>
internal sealed unsafe class GgufReader<TBlock>(byte* bytes, GgufType type, long columns) : ValueReader where TBlock : IGgufBlock
{
    private const int Width = 16;
    private const int Range = 1024;             // values whose scales are converted at once
    private const int Groups = Range / Width;   // at most so many scales
    private const int Ahead = 1024;             // bytes between what is read and what is fetched

    [MethodImpl(JitOptions.Loop)]
    public override void Read<T>(long row, int column, int count, float* to)
    {
        float* scales = stackalloc float[Groups], offsets = stackalloc float[Groups];
        var block = First(row, column);
        int size = type.BlockSize, length = type.BlockBytes, groups = TBlock.Parts * Width / TBlock.GroupSize;
        for (var end = to + count; to < end;)
        {
            var stop = to + Math.Min(Range, end - to);
            TBlock.Factors(block, (int)(stop - to) / size, scales, offsets);
            float* scale = scales, offset = offsets;
            for (; to < stop; block += length)
                for (var unit = 0; unit < TBlock.Units; unit++, to += TBlock.Parts * Width, scale += groups, offset += groups)
                {
                    ReadTwo<T>(block, unit, 0, scale, offset, to);
                    if (TBlock.Parts > 2) ReadTwo<T>(block, unit, 2, scale, offset, to);
                    if (TBlock.Parts > 4) ReadTwo<T>(block, unit, 4, scale, offset, to);
                    if (TBlock.Parts > 4) ReadTwo<T>(block, unit, 6, scale, offset, to);
                }
        }
    }

    public override bool Multiplies => true;

    // A row at a time: processors fetch a single stream from memory faster than several.
    [MethodImpl(JitOptions.Loop)]
    public override void Multiply<T>(long first, int count, float* x, float* y)
    {
        float* scales = stackalloc float[Groups], offsets = stackalloc float[Groups];
        var block = First(first, 0);
        int size = type.BlockSize, length = type.BlockBytes;
        for (var end = x + columns; count > 0; count--)
        {
            var sum = 0f;
            for (var at = x; at < end; at += Range)
            {
                var blocks = (int)Math.Min(Range, end - at) / size;
                TBlock.Factors(block, blocks, scales, offsets);
                sum += T.IsOneVector && TBlock.HasPairs ? ProductOfPairs<T>(block, blocks, length, scales, offsets, at) : Product<T>(block, blocks, length, scales, offsets, at);
                block += blocks * length;
            }
            *y++ = sum;
        }
    }

    // Some blocks of a row. In the caller, the sums would be in memory, since it calls methods. Two sums hide the latency of the additions.
    [MethodImpl(JitOptions.Loop)]
    private static float Product<T>(byte* block, int count, int length, float* scales, float* offsets, float* x) where T : unmanaged, ISixteen<T>
    {
        var groups = TBlock.Parts * Width / TBlock.GroupSize;
        T even = default, odd = default;
        var unit = 0;
        for (var left = count * TBlock.Units; left > 0; left--, x += TBlock.Parts * Width, scales += groups, offsets += groups)
        {
            Prefetch.Near(block + Ahead + unit * 64);
            even = Two(block, unit, 0, scales, offsets, x, even);
            if (TBlock.Parts > 2) odd = Two(block, unit, 2, scales, offsets, x, odd);
            if (TBlock.Parts > 4) even = Two(block, unit, 4, scales, offsets, x, even);
            if (TBlock.Parts > 4) odd = Two(block, unit, 6, scales, offsets, x, odd);
            if (++unit < TBlock.Units) continue;
            unit = 0;
            block += length;
        }
        return T.Sum(T.Add(even, odd));
    }

    // The same by lookups: sixteen values are as soon computed as two, and then take one instruction each.
    [MethodImpl(JitOptions.Loop)]
    private static float ProductOfPairs<T>(byte* block, int count, int length, float* scales, float* offsets, float* x) where T : unmanaged, ISixteen<T>
    {
        var (half, groups) = (TBlock.Parts / 2, TBlock.Parts * Width / TBlock.GroupSize);
        var numbers = T.Of((Vector128<byte>.Indices - Vector128.Create((byte)TBlock.Zero)).AsSByte());
        T even = default, odd = default;
        var unit = 0;
        for (var left = count * TBlock.Units; left > 0; left--, x += TBlock.Parts * Width, scales += groups, offsets += groups)
        {
            Prefetch.Near(block + Ahead + unit * 64);
            T first = Table(numbers, scales, offsets), second = groups > 1 ? Table(numbers, scales + 1, offsets + 1) : first;
            odd = T.MultiplyAdd(T.LookupPairs(second, first, TBlock.Pairs(block, unit, 0), out var low), T.Load(x + half * Width), odd);
            even = T.MultiplyAdd(low, T.Load(x), even);
            if (half > 1)
            {
                odd = T.MultiplyAdd(T.LookupPairs(second, first, TBlock.Pairs(block, unit, 1), out low), T.Load(x + (half + 1) * Width), odd);
                even = T.MultiplyAdd(low, T.Load(x + Width), even);
            }
            if (++unit < TBlock.Units) continue;
            unit = 0;
            block += length;
        }
        return T.Sum(T.Add(even, odd));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Table<T>(T numbers, float* scale, float* offset) where T : unmanaged, ISixteen<T>
    {
        var scaled = T.Multiply(T.Of(*scale), numbers);
        return TBlock.HasOffsets ? T.Add(scaled, T.Of(*offset)) : scaled;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private byte* First(long row, int column) => bytes + (nint)((row * columns + column) / type.BlockSize) * type.BlockBytes;

    // Sixteen values.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Value<T>(byte* block, int unit, int part, float* scales, float* offsets) where T : unmanaged, ISixteen<T>
    {
        var group = part * Width / TBlock.GroupSize;
        var scaled = T.Multiply(T.Of(scales[group]), TBlock.Sixteen<T>(block, unit, part));
        return TBlock.HasOffsets ? T.Add(scaled, T.Of(offsets[group])) : scaled;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void ReadTwo<T>(byte* block, int unit, int part, float* scales, float* offsets, float* to) where T : unmanaged, ISixteen<T>
    {
        Value<T>(block, unit, part, scales, offsets).Store(to + part * Width);
        Value<T>(block, unit, part + 1, scales, offsets).Store(to + (part + 1) * Width);
    }

    // The products of two sixteens. Numbers without an offset are multiplied first, and scaled afterwards.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Two<T>(byte* block, int unit, int part, float* scales, float* offsets, float* x, T sum) where T : unmanaged, ISixteen<T>
    {
        T one = T.Load(x + part * Width), two = T.Load(x + (part + 1) * Width);
        if (TBlock.HasOffsets) return T.MultiplyAdd(Value<T>(block, unit, part + 1, scales, offsets), two, T.MultiplyAdd(Value<T>(block, unit, part, scales, offsets), one, sum));
        var product = T.Multiply(TBlock.Sixteen<T>(block, unit, part), one);
        if (TBlock.GroupSize == 2 * Width) return T.MultiplyAdd(T.MultiplyAdd(TBlock.Sixteen<T>(block, unit, part + 1), two, product), T.Of(scales[part / 2]), sum);
        return T.MultiplyAdd(T.Multiply(TBlock.Sixteen<T>(block, unit, part + 1), two), T.Of(scales[part + 1]), T.MultiplyAdd(product, T.Of(scales[part]), sum));
    }
}
