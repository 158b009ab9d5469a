using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>silu(gate) ∘ up, with silu(z) = z·σ(z), as one node of the autograd graph that stores only its inputs. On the CPU in float32.</summary>
internal sealed class SwigluKernel : GraphNode<SwigluKernel>
{
    private const int Chunk = 8192;   // elements per work item

    /// <summary>True if the kernel supports such tensors.</summary>
    public static bool Supports(Tensor gate, Tensor up) => TorchRuntime.Cpu.NormsAndGates && TensorMemory.Supports(gate, up) && gate.numel() % 8 == 0;

    public static Tensor Run(Tensor gate, Tensor up)
    {
        using var g = gate.contiguous();
        using var u = up.contiguous();
        return TensorMemory.RequiresGrad(g, u) ? Record(g, u)[0] : Gate(g, u, empty_like(g));
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (gate, up) = ((Tensor)arguments[0], (Tensor)arguments[1]);
        context.save_for_backward([gate, up]);
        return [Gate(gate, up, empty_like(gate))];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        var (gateGradient, upGradient) = (empty_like(saved[0]), empty_like(saved[1]));
        Differentiate(saved[0], saved[1], gradients[0], gateGradient, upGradient);
        return [gateGradient, upGradient];
    }

    /// <summary>Writes the product into an output, which it returns, without gradients. The tensors must be contiguous.</summary>
    public static unsafe Tensor Gate(Tensor gate, Tensor up, Tensor output)
    {
        fixed (float* gs = gate.Floats(), us = up.Floats(), ys = output.Floats())
        {
            var (g, u, y) = ((nint)gs, (nint)us, (nint)ys);
            Each(gate.numel(), (start, count) => Gate((float*)g + start, (float*)u + start, (float*)y + start, count));
        }
        return output;
    }

    /// <summary>Computes the gradients. One of them may be written over the given gradient.</summary>
    public static unsafe void Differentiate(Tensor gate, Tensor up, Tensor gradient, Tensor gateGradient, Tensor upGradient)
    {
        fixed (float* gs = gate.Floats(), us = up.Floats(), ds = gradient.Floats(), gg = gateGradient.Floats(), gu = upGradient.Floats())
        {
            var (g, u, d, ggp, gup) = ((nint)gs, (nint)us, (nint)ds, (nint)gg, (nint)gu);
            Each(gate.numel(), (start, count) => Slope((float*)g + start, (float*)u + start, (float*)d + start, (float*)ggp + start, (float*)gup + start, count));
        }
    }

    private static void Each(long count, Action<long, int> part)
        => TensorMemory.Parallel((int)((count + Chunk - 1) / Chunk), i => part((long)i * Chunk, (int)Math.Min(Chunk, count - (long)i * Chunk)));

    [MethodImpl(JitOptions.Loop)]
    private static unsafe void Gate(float* gate, float* up, float* output, int count)
    {
        for (var i = 0; i < count; i += 8)
        {
            var z = Vector256.Load(gate + i);
            (z * Exponential.Sigmoid(z) * Vector256.Load(up + i)).Store(output + i);
        }
    }

    // silu′(z) = σ·(1 + z·(1 − σ)).
    [MethodImpl(JitOptions.Loop)]
    private static unsafe void Slope(float* gate, float* up, float* gradient, float* gateGradient, float* upGradient, int count)
    {
        var one = Vector256<float>.One;
        for (var i = 0; i < count; i += 8)
        {
            var (z, d) = (Vector256.Load(gate + i), Vector256.Load(gradient + i));
            var s = Exponential.Sigmoid(z);
            (d * z * s).Store(upGradient + i);
            (d * Vector256.Load(up + i) * s * Vector256.FusedMultiplyAdd(z, one - s, one)).Store(gateGradient + i);
        }
    }
}
