namespace Peft.Lora;

internal static class StraightThrough
{
    /// <summary>A tensor of zeros that passes its gradient on to the given tensor.</summary>
    public static Tensor Of(Tensor value) => value.sub(value.detach());
}
