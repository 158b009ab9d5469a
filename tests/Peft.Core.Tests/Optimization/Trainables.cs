using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Optimization;

/// <summary>Trainable tensors without a model.</summary>
internal static class Trainables
{
    public static TrainableTensor Trainable(string name, params long[] shape) => Trainable(name, randn(shape));

    public static TrainableTensor Trainable(string name, Tensor value) => new(name, new Parameter(value));

    public static void SetGradient(this TrainableTensor tensor, Tensor value)
    {
        using var _ = no_grad();
        using var gradient = tensor.Value.grad;
        gradient!.copy_(value);
    }
}
