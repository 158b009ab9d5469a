using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>(x − mean) / √(var + ε) ∘ w + b over the last dimension. On the CPU in float32.</summary>
internal static unsafe class LayerNormKernel
{
    /// <summary>True if the kernel supports such tensors, in inference mode. In training, torch's operation has the gradients, and passes of checkpointed layers without them must round alike.</summary>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias)
        => TorchRuntime.Cpu.NormsAndGates && is_inference_mode_enabled() && TensorMemory.Supports(input, weight, bias ?? weight) && weight.numel() is var size && size % 8 == 0 && input.dim() > 0 && input.size(-1) == size;

    /// <summary>Writes the normalized rows into an output, which it returns. The tensors must be contiguous.</summary>
    public static Tensor Normalise(Tensor input, Tensor weight, Tensor? bias, Tensor output, float epsilon)
    {
        var size = (int)weight.numel();
        fixed (float* xs = input.Floats(), ws = weight.Floats(), bs = bias is null ? [] : bias.Floats(), ys = output.Floats())
        {
            var (x, w, b, y) = ((nint)xs, (nint)ws, (nint)bs, (nint)ys);
            TensorMemory.ForRows(input.numel() / size, row => Normalise((float*)x + row * size, (float*)w, (float*)b, (float*)y + row * size, size, epsilon));
        }
        return output;
    }

    /// <summary>Computes the gradient of the input, which may be written over the given gradient.</summary>
    public static void Differentiate(Tensor input, Tensor weight, Tensor gradient, Tensor result, float epsilon)
    {
        var size = (int)weight.numel();
        fixed (float* xs = input.Floats(), ws = weight.Floats(), gs = gradient.Floats(), rs = result.Floats())
        {
            var (x, w, g, r) = ((nint)xs, (nint)ws, (nint)gs, (nint)rs);
            TensorMemory.ForRows(input.numel() / size, row => Slope((float*)x + row * size, (float*)w, (float*)g + row * size, (float*)r + row * size, size, epsilon));
        }
    }

    /// <summary>Computes the gradient of the weight; null if it was added to <see cref="DirectGradients"/>. That of the bias is the sum of the gradients.</summary>
    public static Tensor? WeightGradient(Tensor input, Tensor weight, Tensor gradient, float epsilon)
    {
        var size = (int)weight.numel();
        return TrainedGradient.Of(weight).AddRowwise(input, gradient, (x, g, sum) => AddSlope((float*)x, (float*)g, (float*)sum, size, epsilon)).Result;
    }

    // g∘n, with n = (x − mean)·s.
    [MethodImpl(JitOptions.Loop)]
    private static void AddSlope(float* x, float* g, float* sum, int size, float epsilon)
    {
        var (mean, scale) = Moments(x, size, epsilon);
        for (var d = 0; d < size; d += 8) Vector256.FusedMultiplyAdd(Vector256.Load(g + d), (Vector256.Load(x + d) - mean) * scale, Vector256.Load(sum + d)).Store(sum + d);
    }

    /// <summary>Normalizes a row; y may be x.</summary>
    /// <param name="x"><c>[size]</c></param>
    /// <param name="w"><c>[size]</c></param>
    /// <param name="b"><c>[size]</c>, or null.</param>
    /// <param name="y">Takes the result.</param>
    /// <param name="size">A multiple of 8.</param>
    /// <param name="epsilon">ε</param>
    [MethodImpl(JitOptions.Loop)]
    public static void Normalise(float* x, float* w, float* b, float* y, int size, float epsilon)
    {
        var (mean, scale) = Moments(x, size, epsilon);
        for (var d = 0; d < size; d += 8)
        {
            var normal = (Vector256.Load(x + d) - mean) * scale;
            (b == null ? normal * Vector256.Load(w + d) : Vector256.FusedMultiplyAdd(normal, Vector256.Load(w + d), Vector256.Load(b + d))).Store(y + d);
        }
    }

    // With n = (x − mean)·s and h = g∘w: dL/dx = s·(h − mean(h) − n·mean(h∘n)).
    [MethodImpl(JitOptions.Loop)]
    private static void Slope(float* x, float* w, float* g, float* result, int size, float epsilon)
    {
        var (mean, scale) = Moments(x, size, epsilon);
        Vector256<float> sums = default, products = default;
        for (var d = 0; d < size; d += 8)
        {
            var h = Vector256.Load(g + d) * Vector256.Load(w + d);
            sums += h;
            products = Vector256.FusedMultiplyAdd(h, Vector256.Load(x + d) - mean, products);
        }
        var shift = Vector256.Create(Vector256.Sum(sums) / size);
        var pull = Vector256.Create(Vector256.Sum(products) / size) * scale * scale;
        for (var d = 0; d < size; d += 8)
            (scale * (Vector256.Load(g + d) * Vector256.Load(w + d) - shift - (Vector256.Load(x + d) - mean) * pull)).Store(result + d);
    }

    // The mean, and 1 / √(var + ε).
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (Vector256<float> Mean, Vector256<float> Scale) Moments(float* x, int size, float epsilon)
    {
        var sums = Vector256<float>.Zero;
        for (var d = 0; d < size; d += 8) sums += Vector256.Load(x + d);
        var mean = Vector256.Create(Vector256.Sum(sums) / size);
        var squares = Vector256<float>.Zero;
        for (var d = 0; d < size; d += 8)
        {
            var difference = Vector256.Load(x + d) - mean;
            squares = Vector256.FusedMultiplyAdd(difference, difference, squares);
        }
        return (mean, Vector256.Create(1 / MathF.Sqrt(Vector256.Sum(squares) / size + epsilon)));
    }
}
