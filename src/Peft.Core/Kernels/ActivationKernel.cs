using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Activation functions and their derivatives, on the CPU in float32, by their names in transformers.</summary>
internal static unsafe class ActivationKernel
{
    private const int Chunk = 8192;   // elements per work item

    // Beyond ±100, σ is 0 or 1 in float32, or so near that a product with the largest numbers would be wrong.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Low(Vector256<float> x) => Vector256.MaxNative(Vector256.Create(-100f), x);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Bounded(Vector256<float> x) => Vector256.MinNative(Vector256.Create(100f), Low(x));

    private interface IFunction
    {
        static abstract Vector256<float> Of(Vector256<float> x);

        static abstract Vector256<float> Of(Vector256<float> x, out Vector256<float> slope);
    }

    // x·σ(x); the derivative is σ·(1 + x·(1 − σ)).
    private readonly struct Silu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Low(x) * Exponential.Sigmoid(x);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            var s = Exponential.Sigmoid(x);
            slope = s * Vector256.FusedMultiplyAdd(Bounded(x), Vector256<float>.One - s, Vector256<float>.One);
            return Low(x) * s;
        }
    }

    // ½x·(1 + tanh z) = x·σ(2z), with z = √(2/π)·(x + 0.044715·x³); the derivative is σ·(1 + x·(1 − σ)·2z′).
    private readonly struct GeluTanh : IFunction
    {
        private const float Cubic = 0.044715f, Scale = 1.5957691216f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Low(x) * Sigmoid(Bounded(x));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            var (s, z) = (Sigmoid(Bounded(x)), Bounded(x));
            var inner = Vector256.FusedMultiplyAdd(z * z, Vector256.Create(3 * Cubic * Scale), Vector256.Create(Scale));
            slope = s * Vector256.FusedMultiplyAdd(z * (Vector256<float>.One - s), inner, Vector256<float>.One);
            return Low(x) * s;
        }

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Sigmoid(Vector256<float> x)
        {
            var inner = Vector256.FusedMultiplyAdd(x * x * Vector256.Create(Cubic), x, x);
            return Exponential.Sigmoid(inner * Vector256.Create(Scale));
        }
    }

    // x·Φ(x), where Φ is the distribution function of the normal distribution; the derivative is Φ(x) + x·φ(x), with its density φ.
    private readonly struct Gelu : IFunction
    {
        private const float Density = 0.398942280f;   // 1 / √(2π)
        private const float C0 = 0.7290837f, C1 = -0.5093321f, C2 = 0.23001786f, C3 = -0.047258623f, C4 = -0.010464331f;
        private const float C5 = 0.0069391807f, C6 = 0.001024944f, C7 = -0.00094645325f, C8 = -0.00021423434f, C9 = 4.599219e-5f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Low(x) * Distribution(Bounded(x), out _);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            var p = Distribution(Bounded(x), out var power);
            slope = Vector256.FusedMultiplyAdd(Bounded(x), power * Vector256.Create(Density), p);
            return Low(x) * p;
        }

        // Φ(−t) = e^(−t²/2)·P(v) / (t + 3) for t ≥ 0, with v = (t − 3) / (t + 3) and the polynomial P of degree 9 with the smallest maximum relative error for t ≤ 13.5 (2·10⁻⁸, found by weighted least squares).
        // In such a variable, a polynomial needs few terms (Shepherd and Laframboise, Chebyshev approximation of (1 + 2x)exp(x²)erfc x, 1981). Unlike 1 + erf, it is precise for all negative x.
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        private static Vector256<float> Distribution(Vector256<float> x, out Vector256<float> power)
        {
            var t = Vector256.Abs(x);
            var square = x * x;
            // What rounding the square loses.
            var rest = Vector256.FusedMultiplyAdd(x, x, -square);
            power = Exponential.OrZero(square * Vector256.Create(-0.5f));
            power = Vector256.FusedMultiplyAdd(power, rest * Vector256.Create(-0.5f), power);
            var w = Vector256<float>.One / (t + Vector256.Create(3f));
            var v = Vector256.FusedMultiplyAdd(w, Vector256.Create(-6f), Vector256<float>.One);
            var p = Vector256.FusedMultiplyAdd(Vector256.Create(C9), v, Vector256.Create(C8));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C7));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C6));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C5));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C4));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C3));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C2));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C1));
            p = Vector256.FusedMultiplyAdd(p, v, Vector256.Create(C0));
            p = power * (p * w);
            return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), p, Vector256<float>.One - p);
        }
    }

    private readonly struct QuickGelu : IFunction
    {
        private const float Scale = 1.702f;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Low(x) * Exponential.Sigmoid(x * Vector256.Create(Scale));

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            var s = Exponential.Sigmoid(x * Vector256.Create(Scale));
            slope = s * Vector256.FusedMultiplyAdd(Bounded(x) * Vector256.Create(Scale), Vector256<float>.One - s, Vector256<float>.One);
            return Low(x) * s;
        }
    }

    private readonly struct Relu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Vector256.Max(x, Vector256<float>.Zero);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            slope = Vector256.ConditionalSelect(Vector256.GreaterThan(x, Vector256<float>.Zero), Vector256<float>.One, Vector256<float>.Zero);
            return Of(x);
        }
    }

    private readonly struct SquaredRelu : IFunction
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x) => Relu.Of(x) * Relu.Of(x);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public static Vector256<float> Of(Vector256<float> x, out Vector256<float> slope)
        {
            var positive = Relu.Of(x);
            slope = positive + positive;
            return positive * positive;
        }
    }

    /// <summary>True if the function is implemented.</summary>
    public static bool Supports(string name) => name is "silu" or "swish" or "relu" or "relu2" or "quick_gelu" or "gelu" or "gelu_python" or "gelu_new" or "gelu_pytorch_tanh" or "gelu_python_tanh" or "gelu_accurate" or "gelu_fast";

    /// <summary>True if the function is implemented for such a tensor, in inference mode. In training, torch's operation has the gradients, and passes of checkpointed layers without them must round alike.</summary>
    public static bool Supports(string name, Tensor x) => TorchRuntime.Cpu.NormsAndGates && is_inference_mode_enabled() && TensorMemory.Supports(x) && Supports(name);

    /// <summary>Writes act(x), or act(x) ∘ up, into an output, which it returns, without gradients. The tensors are contiguous.</summary>
    public static Tensor Run(string name, Tensor x, Tensor? up, Tensor output)
    {
        fixed (float* xs = x.Floats(), us = up is null ? [] : up.Floats(), ys = output.Floats())
        {
            var (from, factors, to) = ((nint)xs, (nint)us, (nint)ys);
            Each(x.numel(), (start, count) => Run(name, (float*)from + start, factors == 0 ? null : (float*)factors + start, (float*)to + start, count));
        }
        return output;
    }

    /// <summary>Computes gradients of x and up, of which one may be written over the given gradient.</summary>
    public static void Differentiate(string name, Tensor x, Tensor? up, Tensor gradient, Tensor ofX, Tensor? ofUp)
    {
        fixed (float* xs = x.Floats(), us = up is null ? [] : up.Floats(), ds = gradient.Floats(), gx = ofX.Floats(), gu = ofUp is null ? [] : ofUp.Floats())
        {
            var (from, factors, d, toX, toUp) = ((nint)xs, (nint)us, (nint)ds, (nint)gx, (nint)gu);
            Each(x.numel(), (start, count) =>
            {
                var second = factors == 0 ? null : (float*)factors + start;
                Differentiate(name, (float*)from + start, second, (float*)d + start, (float*)toX + start, second == null ? null : (float*)toUp + start, count);
            });
        }
    }

    /// <summary>act(x), or act(x) ∘ up.</summary>
    /// <param name="name">The function.</param>
    /// <param name="x">The input.</param>
    /// <param name="up">The factors; null for none.</param>
    /// <param name="y">Takes the result; may be the input.</param>
    /// <param name="count">Number of values.</param>
    public static void Run(string name, float* x, float* up, float* y, int count)
    {
        switch (name)
        {
            case "silu" or "swish": Run<Silu>(x, up, y, count); break;
            case "relu": Run<Relu>(x, up, y, count); break;
            case "relu2": Run<SquaredRelu>(x, up, y, count); break;
            case "gelu" or "gelu_python": Run<Gelu>(x, up, y, count); break;
            case "quick_gelu": Run<QuickGelu>(x, up, y, count); break;
            default: Run<GeluTanh>(x, up, y, count); break;
        }
    }

    private static void Differentiate(string name, float* x, float* up, float* gradient, float* ofX, float* ofUp, int count)
    {
        switch (name)
        {
            case "silu" or "swish": Differentiate<Silu>(x, up, gradient, ofX, ofUp, count); break;
            case "relu": Differentiate<Relu>(x, up, gradient, ofX, ofUp, count); break;
            case "relu2": Differentiate<SquaredRelu>(x, up, gradient, ofX, ofUp, count); break;
            case "gelu" or "gelu_python": Differentiate<Gelu>(x, up, gradient, ofX, ofUp, count); break;
            case "quick_gelu": Differentiate<QuickGelu>(x, up, gradient, ofX, ofUp, count); break;
            default: Differentiate<GeluTanh>(x, up, gradient, ofX, ofUp, count); break;
        }
    }

    private static void Each(long count, Action<long, int> part)
        => TensorMemory.Parallel((int)((count + Chunk - 1) / Chunk), i => part((long)i * Chunk, (int)Math.Min(Chunk, count - (long)i * Chunk)));

    [MethodImpl(JitOptions.Loop)]
    private static void Run<T>(float* x, float* up, float* y, int count) where T : struct, IFunction
    {
        var i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var value = T.Of(Vector256.Load(x + i));
            (up == null ? value : value * Vector256.Load(up + i)).Store(y + i);
        }
        if (i == count) return;
        var last = stackalloc float[16];
        Copy(x + i, last, count - i);
        if (up != null) Copy(up + i, last + 8, count - i);
        Run<T>(last, up == null ? null : last + 8, last, 8);
        Copy(last, y + i, count - i);
    }

    [MethodImpl(JitOptions.Loop)]
    private static void Differentiate<T>(float* x, float* up, float* gradient, float* ofX, float* ofUp, int count) where T : struct, IFunction
    {
        var i = 0;
        for (; i + 8 <= count; i += 8)
        {
            var d = Vector256.Load(gradient + i);
            var value = T.Of(Vector256.Load(x + i), out var slope);
            if (up != null)
            {
                var factor = Vector256.Load(up + i);
                (d * value).Store(ofUp + i);
                d *= factor;
            }
            (d * slope).Store(ofX + i);
        }
        if (i == count) return;
        var last = stackalloc float[24];
        Copy(x + i, last, count - i);
        Copy(gradient + i, last + 8, count - i);
        if (up != null) Copy(up + i, last + 16, count - i);
        Differentiate<T>(last, up == null ? null : last + 16, last + 8, last, last + 8, 8);
        Copy(last, ofX + i, count - i);
        if (up != null) Copy(last + 8, ofUp + i, count - i);
    }

    private static void Copy(float* from, float* to, int count) => new Span<float>(from, count).CopyTo(new(to, count));
}
