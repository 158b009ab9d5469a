using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cosines and sines for the positions of a forward pass, broadcast to <c>[batch, sequence, heads, rotated]</c>.</summary>
/// <param name="Cosine">cos of each angle, repeated for both halves.</param>
/// <param name="SignedSine">−sin for the first half of the dimensions, sin for the second.</param>
internal sealed record RotaryAngles(Tensor Cosine, Tensor SignedSine) : IDisposable
{
    /// <summary>Detaches the tensors from the current dispose scope: the holder disposes them.</summary>
    public RotaryAngles Detach()
    {
        Cosine.DetachFromDisposeScope();
        SignedSine.DetachFromDisposeScope();
        return this;
    }

    public void Dispose()
    {
        Cosine.Dispose();
        SignedSine.Dispose();
    }
}
