using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Peft.Kernels;

/// <summary>Activation functions of a decode step, on the CPU in float32, by their names in transformers.</summary>
internal static unsafe class DecodeActivation
{
    private interface IFunction
    {
        static abstract Vector256<float> Of(Vector256<float> x);
    }

    // x·σ(x)
    private readonly struct Silu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => x * Exponential.Sigmoid(x);
    }

    // ½x·(1 + tanh z) = x·σ(2z), with z = √(2/π)·(x + 0.044715·x³)
    private readonly struct GeluTanh : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x)
        {
            var inner = Vector256.FusedMultiplyAdd(x * x * Vector256.Create(0.044715f), x, x);
            return x * Exponential.Sigmoid(inner * Vector256.Create(1.5957691216f));
        }
    }

    private readonly struct QuickGelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => x * Exponential.Sigmoid(x * Vector256.Create(1.702f));
    }

    private readonly struct Relu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Vector256.Max(x, Vector256<float>.Zero);
    }

    private readonly struct SquaredRelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Relu.Of(x) * Relu.Of(x);
    }

    /// <summary>True if the function is implemented.</summary>
    public static bool Supports(string name) => name is "silu" or "swish" or "relu" or "relu2" or "quick_gelu" or "gelu_new" or "gelu_pytorch_tanh" or "gelu_python_tanh" or "gelu_accurate" or "gelu_fast";

    /// <summary>act(x), or act(x) ∘ up.</summary>
    /// <param name="name">The function.</param>
    /// <param name="x">The input; takes the result.</param>
    /// <param name="up">The factors; null for none.</param>
    /// <param name="count">Number of values, a multiple of 4.</param>
    public static void Run(string name, float* x, float* up, int count)
    {
        switch (name)
        {
            case "silu" or "swish": Run<Silu>(x, up, count); break;
            case "relu": Run<Relu>(x, up, count); break;
            case "relu2": Run<SquaredRelu>(x, up, count); break;
            case "quick_gelu": Run<QuickGelu>(x, up, count); break;
            default: Run<GeluTanh>(x, up, count); break;
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Run<T>(float* x, float* up, int count) where T : struct, IFunction
    {
        var i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var y = T.Of(Vector256.Load(x + i));
            (up == null ? y : y * Vector256.Load(up + i)).Store(x + i);
        }
        if (i == count) return;
        var last = T.Of(Vector128.Load(x + i).ToVector256()).GetLower();
        (up == null ? last : last * Vector128.Load(up + i)).Store(x + i);
    }
}
