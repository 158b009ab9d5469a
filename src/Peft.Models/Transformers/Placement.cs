using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Dtype and device of a model's parameters.</summary>
/// <param name="Type">The dtype.</param>
/// <param name="Device">The device.</param>
/// <param name="StoredBits">Bits per value of the projections' weights if these will be quantized: they are then created on the meta device. Null otherwise.</param>
/// <param name="EmbeddingBits">The same for the token embedding and the head.</param>
internal readonly record struct Placement(ScalarType Type, Device Device, double? StoredBits = null, double? EmbeddingBits = null)
{
    /// <summary>Device on which the token embedding and a head that may be tied to it are created.</summary>
    public Device EmbeddingDevice => EmbeddingBits is null ? Device : META;

    /// <summary>Device on which projections are created.</summary>
    public Device ProjectionDevice => StoredBits is null ? Device : META;
}
