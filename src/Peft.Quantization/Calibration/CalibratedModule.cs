using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A linear module that calibration quantizes.</summary>
/// <param name="Path">Its path in the model.</param>
/// <param name="Module">The module.</param>
internal sealed record CalibratedModule(string Path, AdaptableModule Module)
{
    /// <summary>True if the module's weight is <c>[in, out]</c>.</summary>
    public bool IsTransposed => Module is TransposedLinear;

    /// <summary>The weight as <c>[in, out]</c> in float32: a new contiguous tensor.</summary>
    public Tensor Read()
    {
        using var scope = NewDisposeScope();
        var values = Module.Storage.Read().detach();
        return (IsTransposed ? values : values.t()).to_type(ScalarType.Float32).contiguous().clone().MoveToOuterDisposeScope();
    }
}
