using static TorchSharp.torch;

namespace Peft;

/// <summary>Location of one trainable tensor in its buffer.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Start">Index of its first element.</param>
/// <param name="Shape">Its shape, in row-major order.</param>
internal sealed record FlatSlice(TrainableTensor Tensor, long Start, long[] Shape)
{
    public long Length { get; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>Views the slice of a flat tensor in the shape of the trainable tensor. The caller disposes the view.</summary>
    public Tensor Of(Tensor flat)
    {
        using var range = flat.narrow(0, Start, Length);
        return range.view(Shape);
    }
}
