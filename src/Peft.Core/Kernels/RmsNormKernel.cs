using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>x / √(mean(x²) + ε) ∘ (w + offset) over the last dimension, as one node of the autograd graph that stores only the input. On the CPU in float32.</summary>
internal sealed class RmsNormKernel : GraphNode<RmsNormKernel>
{
    /// <summary>True if the kernel supports such tensors.</summary>
    public static bool Supports(Tensor input, Tensor weight) => TorchRuntime.Cpu.NormsAndGates && TensorMemory.Supports(input, weight) && weight.numel() % 8 == 0;

    public static Tensor Run(Tensor input, Tensor weight, double epsilon, double offset)
    {
        using var x = input.contiguous();
        using var w = weight.contiguous();
        return TensorMemory.RequiresGrad(x, w) ? Record(x, w, (float)epsilon, (float)offset)[0] : Normalise(x, w, CachingAllocator.EmptyLike(x), (float)epsilon, (float)offset);
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (input, weight, epsilon, offset) = ((Tensor)arguments[0], (Tensor)arguments[1], (float)arguments[2], (float)arguments[3]);
        context.save_data("settings", (epsilon, offset, weight.requires_grad));
        context.save_for_backward([input, weight]);
        return [Normalise(input, weight, CachingAllocator.EmptyLike(input), epsilon, offset)];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        var (input, weight) = (saved[0], saved[1]);
        var (epsilon, offset, learns) = ((float, float, bool))context.get_data("settings");
        var result = CachingAllocator.EmptyLike(input);
        Differentiate(input, weight, gradients[0], result, epsilon, offset);
        return [result, learns ? WeightGradient(input, weight, gradients[0], epsilon) : null, null, null];
    }

    /// <summary>Writes the normalized rows into an output, which it returns, without gradients. The tensors must be contiguous.</summary>
    public static unsafe Tensor Normalise(Tensor input, Tensor weight, Tensor output, float epsilon, float offset)
    {
        var size = (int)weight.numel();
        fixed (float* xs = input.Floats(), ws = weight.Floats(), ys = output.Floats())
        {
            var (x, w, y) = ((nint)xs, (nint)ws, (nint)ys);
            TensorMemory.ForRows(input.numel() / size, row => Normalise((float*)x + row * size, (float*)w, (float*)y + row * size, size, epsilon, offset));
        }
        return output;
    }

    /// <summary>Computes the gradient of the input, which may be written over the given gradient.</summary>
    public static unsafe void Differentiate(Tensor input, Tensor weight, Tensor gradient, Tensor result, float epsilon, float offset)
    {
        var size = (int)weight.numel();
        fixed (float* xs = input.Floats(), ws = weight.Floats(), gs = gradient.Floats(), rs = result.Floats())
        {
            var (x, w, g, r) = ((nint)xs, (nint)ws, (nint)gs, (nint)rs);
            TensorMemory.ForRows(input.numel() / size, row => Slope((float*)x + row * size, (float*)w, (float*)g + row * size, (float*)r + row * size, size, epsilon, offset));
        }
    }

    /// <summary>Computes the gradient of the weight; null if it was added to <see cref="DirectGradients"/>.</summary>
    public static unsafe Tensor? WeightGradient(Tensor input, Tensor weight, Tensor gradient, float epsilon)
    {
        var size = (int)weight.numel();
        return TrainedGradient.Of(weight).AddRowwise(input, gradient, (x, g, sum) => AddSlope((float*)x, (float*)g, (float*)sum, size, epsilon)).Result;
    }

    // g∘n, with n = x·s.
    [MethodImpl(JitOptions.Loop)]
    private static unsafe void AddSlope(float* x, float* g, float* sum, int size, float epsilon)
    {
        var scale = Vector256.Create(Scale(x, size, epsilon));
        for (var d = 0; d < size; d += 8) Vector256.FusedMultiplyAdd(Vector256.Load(g + d), Vector256.Load(x + d) * scale, Vector256.Load(sum + d)).Store(sum + d);
    }

    [MethodImpl(JitOptions.Loop)]
    internal static unsafe void Normalise(float* x, float* w, float* y, int size, float epsilon, float offset)
    {
        var scale = Vector256.Create(Scale(x, size, epsilon));
        var shift = Vector256.Create(offset);
        for (var d = 0; d < size; d += 8) (Vector256.Load(x + d) * scale * (Vector256.Load(w + d) + shift)).Store(y + d);
    }

    // With n = x·s and h = g∘w: dL/dx = s·(h − n·mean(h∘n)).
    [MethodImpl(JitOptions.Loop)]
    private static unsafe void Slope(float* x, float* w, float* g, float* result, int size, float epsilon, float offset)
    {
        var s = Scale(x, size, epsilon);
        var (shift, sums) = (Vector256.Create(offset), Vector256<float>.Zero);
        for (var d = 0; d < size; d += 8)
            sums = Vector256.FusedMultiplyAdd(Vector256.Load(g + d) * (Vector256.Load(w + d) + shift), Vector256.Load(x + d), sums);
        var scale = Vector256.Create(s);
        var pull = Vector256.Create(Vector256.Sum(sums) / size * s * s * s);
        for (var d = 0; d < size; d += 8)
            (Vector256.Load(g + d) * (Vector256.Load(w + d) + shift) * scale - Vector256.Load(x + d) * pull).Store(result + d);
    }

    private static unsafe float Scale(float* x, int size, float epsilon)
    {
        var squares = Vector256<float>.Zero;
        for (var d = 0; d < size; d += 8)
        {
            var v = Vector256.Load(x + d);
            squares = Vector256.FusedMultiplyAdd(v, v, squares);
        }
        return 1 / MathF.Sqrt(Vector256.Sum(squares) / size + epsilon);
    }
}
