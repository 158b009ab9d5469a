using System.Runtime.CompilerServices;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Values in float32, float16 or bfloat16, read as float32.</summary>
internal readonly unsafe struct FloatValues(void* values, ScalarType type)
{
    public float this[nint index]
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => type switch
        {
            ScalarType.Float16 => (float)BitConverter.UInt16BitsToHalf(((ushort*)values)[index]),
            ScalarType.BFloat16 => BitConverter.Int32BitsToSingle(((ushort*)values)[index] << 16),
            _ => ((float*)values)[index],
        };
    }
}
