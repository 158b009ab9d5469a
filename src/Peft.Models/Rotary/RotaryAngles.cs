using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Cosines and sines of a forward pass's positions, shaped to multiply <c>[batch, sequence, heads, rotated]</c>.</summary>
/// <param name="Cosine">cos of each angle, twice over.</param>
/// <param name="SignedSine">−sin for the first half of the dimensions, sin for the second.</param>
internal sealed record RotaryAngles(Tensor Cosine, Tensor SignedSine) : IDisposable
{
    /// <summary>Takes the tensors out of the current scope: whoever holds them disposes them.</summary>
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
