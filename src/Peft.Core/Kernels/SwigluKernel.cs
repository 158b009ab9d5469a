using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>silu(gate) ∘ up, with silu(z) = z·σ(z), as one node of the autograd graph that stores only its inputs. On the CPU in float32.</summary>
internal sealed class SwigluKernel : GraphNode<SwigluKernel>
{
    private const string Silu = "silu";

    /// <summary>True if the kernel supports such tensors.</summary>
    public static bool Supports(Tensor gate, Tensor up) => TorchRuntime.Cpu.NormsAndGates && TensorMemory.Supports(gate, up) && gate.numel() % 8 == 0;

    public static Tensor Run(Tensor gate, Tensor up)
    {
        using var g = gate.contiguous();
        using var u = up.contiguous();
        return TensorMemory.RequiresGrad(g, u) ? Record(g, u)[0] : ActivationKernel.Run(Silu, g, u, CachingAllocator.EmptyLike(g));
    }

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (gate, up) = ((Tensor)arguments[0], (Tensor)arguments[1]);
        context.save_for_backward([gate, up]);
        return [ActivationKernel.Run(Silu, gate, up, CachingAllocator.EmptyLike(gate))];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var saved = context.get_saved_variables();
        var (gateGradient, upGradient) = (CachingAllocator.EmptyLike(saved[0]), CachingAllocator.EmptyLike(saved[1]));
        ActivationKernel.Differentiate(Silu, saved[0], saved[1], gradients[0], gateGradient, upGradient);
        return [gateGradient, upGradient];
    }
}
