using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Dtype and device of a model's parameters.</summary>
/// <param name="Type">The dtype.</param>
/// <param name="Device">The device.</param>
/// <param name="StoredBits">Bits per value of the projections' weights if those will be quantized: they are created without memory then. Null for parameters.</param>
internal readonly record struct Placement(ScalarType Type, Device Device, double? StoredBits = null)
{
    /// <summary>Device on which projections are created.</summary>
    public Device ProjectionDevice => StoredBits is null ? Device : META;
}
