using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>The tensors of a <see cref="GroupedMatrix"/>.</summary>
/// <param name="Codes">The integers of each row, the first in the lowest bits: words <c>[out, ⌈in·bits/32⌉]</c> in int32, or bytes <c>[out, in]</c>.</param>
/// <param name="Scales"><c>[out, groups]</c>, in the dtype of the file.</param>
/// <param name="Zeros">The zeros, less an offset, in bytes <c>[out, groups]</c>.</param>
/// <param name="Groups">The group of each input, <c>[in]</c> in int32.</param>
internal sealed record GroupedTensors(Tensor Codes, Tensor Scales, Tensor Zeros, Tensor Groups)
{
    /// <summary>The tensors as those of a matrix, which outlive dispose scopes.</summary>
    public GroupedTensors Keep() => new(Codes.Keep(), Scales.Keep(), Zeros.Keep(), Groups.Keep());

    /// <summary>The tensors on another device.</summary>
    public GroupedTensors To(Device device) => new(Codes.to(device), Scales.to(device), Zeros.to(device), Groups.to(device));
}
