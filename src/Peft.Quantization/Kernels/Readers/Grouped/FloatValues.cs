using System.Runtime.CompilerServices;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Values in float32, float16 or bfloat16, read as float32.</summary>
internal readonly unsafe struct FloatValues(void* values, ScalarType type)
{
    /// <summary>Reads some values.</summary>
    /// <param name="first">Index of the first.</param>
    /// <param name="count">Number of values.</param>
    /// <param name="to">Takes them.</param>
    [MethodImpl(JitOptions.Loop)]
    public void Read(nint first, int count, float* to)
    {
        switch (type)
        {
            case ScalarType.Float16:
                HalfValue.Read((ushort*)values + first, count, to);
                break;
            case ScalarType.BFloat16:
                for (var i = 0; i < count; i++) to[i] = BitConverter.Int32BitsToSingle(((ushort*)values)[first + i] << 16);
                break;
            default:
                new ReadOnlySpan<float>((float*)values + first, count).CopyTo(new(to, count));
                break;
        }
    }
}
