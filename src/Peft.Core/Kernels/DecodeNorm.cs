using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Normalization of the rows of a decode step, on the CPU in float32: ((x − mean) / √(var + ε) or x / √(mean(x²) + ε)) ∘ (w + offset) + b.</summary>
internal sealed unsafe class DecodeNorm
{
    private readonly nint weight, bias;
    private readonly int size;
    private readonly float epsilon, offset;
    private readonly bool centers;

    private DecodeNorm(Tensor weight, Tensor? bias, int size, double epsilon, double offset, bool centers)
    {
        (this.weight, this.bias) = (TensorAddress.Of(weight), bias is null ? 0 : TensorAddress.Of(bias));
        (this.size, this.epsilon, this.offset, this.centers) = (size, (float)epsilon, (float)offset, centers);
    }

    /// <summary>The normalization; null if the kernel does not support it.</summary>
    /// <param name="weight">w <c>[size]</c></param>
    /// <param name="bias">b <c>[size]</c>; null for none.</param>
    /// <param name="epsilon">ε</param>
    /// <param name="offset">Term added to the weight.</param>
    /// <param name="centers">True to subtract the mean.</param>
    public static DecodeNorm? Of(Tensor weight, Tensor? bias, double epsilon, double offset, bool centers)
        => weight.numel() % 8 == 0 && TensorMemory.Supports(weight, bias ?? weight) && weight.is_contiguous() && bias?.is_contiguous() != false
            ? new(weight, bias, (int)weight.numel(), epsilon, offset, centers) : null;

    /// <summary>Normalizes rows.</summary>
    /// <param name="x"><c>[rows, size]</c></param>
    /// <param name="y">Takes the normalized rows; may be x.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="stride">Distance of rows in both; the size if null.</param>
    public void Run(float* x, float* y, int rows, int? stride = null)
    {
        var step = stride ?? size;
        for (var row = 0; row < rows; row++, x += step, y += step)
        {
            if (centers) Center(x, y);
            else RmsNormKernel.Normalise(x, (float*)weight, y, size, epsilon, offset);
        }
    }

    [MethodImpl(JitOptions.Loop)]
    private void Center(float* x, float* y)
    {
        float* w = (float*)weight, b = (float*)bias;
        var sums = Vector256<float>.Zero;
        for (var d = 0; d < size; d += 8) sums += Vector256.Load(x + d);
        var mean = Vector256.Create(Vector256.Sum(sums) / size);
        var squares = Vector256<float>.Zero;
        for (var d = 0; d < size; d += 8)
        {
            var difference = Vector256.Load(x + d) - mean;
            squares = Vector256.FusedMultiplyAdd(difference, difference, squares);
        }
        var scale = Vector256.Create(1 / MathF.Sqrt(Vector256.Sum(squares) / size + epsilon));
        for (var d = 0; d < size; d += 8)
        {
            var normal = (Vector256.Load(x + d) - mean) * scale;
            (b == null ? normal * Vector256.Load(w + d) : Vector256.FusedMultiplyAdd(normal, Vector256.Load(w + d), Vector256.Load(b + d))).Store(y + d);
        }
    }
}
