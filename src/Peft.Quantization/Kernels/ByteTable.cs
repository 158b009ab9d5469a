using System.Runtime.CompilerServices;

namespace Peft.Quantization.Kernels;

/// <summary>The values of codes of 8 bits.</summary>
internal static unsafe class ByteTable
{
    /// <summary>Looks up the values of codes, and multiplies them by a scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Read<T>(byte* codes, float* table, float scale, int count, float* to) where T : unmanaged, ISixteen<T>
    {
        var i = 0;
        var factor = T.Of(scale);
        for (; i + 16 <= count; i += 16, to += 16)
        {
            for (var j = 0; j < 16; j += 8)
            {
                var eight = *(ulong*)(codes + i + j);
                to[j] = table[(byte)eight];
                to[j + 1] = table[(byte)(eight >> 8)];
                to[j + 2] = table[(byte)(eight >> 16)];
                to[j + 3] = table[(byte)(eight >> 24)];
                to[j + 4] = table[(byte)(eight >> 32)];
                to[j + 5] = table[(byte)(eight >> 40)];
                to[j + 6] = table[(byte)(eight >> 48)];
                to[j + 7] = table[eight >> 56];
            }
        }
        to -= i;
        for (; i < count; i++) to[i] = table[codes[i]];
        i = 0;
        for (; i + 16 <= count; i += 16) T.Multiply(T.Load(to + i), factor).Store(to + i);
        for (; i < count; i++) to[i] *= scale;
    }
}
