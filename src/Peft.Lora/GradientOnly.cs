using static TorchSharp.torch;

namespace Peft.Lora;

internal static class GradientOnly
{
    /// <summary>Zeros that have the gradient of a tensor.</summary>
    public static Tensor Of(Tensor value) => value.sub(value.detach());
}
