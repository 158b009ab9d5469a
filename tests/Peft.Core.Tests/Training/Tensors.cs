using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Small helpers that several tests of the training code share.</summary>
internal static class Tensors
{
    public static TrainableTensor Trainable(string name, params long[] shape) => new(name, new Parameter(randn(shape)));

    public static TrainableTensor Trainable(string name, Tensor value) => new(name, new Parameter(value));

    public static float[] Numbers(this Tensor tensor)
    {
        using var own = tensor.detach().contiguous().cpu();
        return own.data<float>().ToArray();
    }

    public static void SetGradient(this TrainableTensor tensor, Tensor value)
    {
        using var _ = no_grad();
        using var gradient = tensor.Value.grad;
        gradient!.copy_(value);
    }
}
