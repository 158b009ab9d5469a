using System.Runtime.CompilerServices;
using Peft.Kernels;

namespace Peft.Quantization.Kernels;

/// <summary>The values of codes of 8 bits. One load each: instructions that gather are slower.</summary>
internal static unsafe class ByteTable
{
    /// <summary>Looks up the values of codes, and multiplies them by a scale.</summary>
    [MethodImpl(JitOptions.Loop)]
    public static void Read(byte* codes, float* table, float scale, int count, float* to)
    {
        nint i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var eight = *(ulong*)(codes + i);
            to[i] = table[(byte)eight] * scale;
            to[i + 1] = table[(byte)(eight >> 8)] * scale;
            to[i + 2] = table[(byte)(eight >> 16)] * scale;
            to[i + 3] = table[(byte)(eight >> 24)] * scale;
            to[i + 4] = table[(byte)(eight >> 32)] * scale;
            to[i + 5] = table[(byte)(eight >> 40)] * scale;
            to[i + 6] = table[(byte)(eight >> 48)] * scale;
            to[i + 7] = table[eight >> 56] * scale;
        }
        for (; i < count; i++) to[i] = table[codes[i]] * scale;
    }
}
