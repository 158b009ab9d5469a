using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Location of one trainable tensor in its buffer.</summary>
/// <param name="Tensor">The tensor.</param>
/// <param name="Start">Index of its first element.</param>
/// <param name="Shape">Its shape, in row-major order.</param>
internal sealed record FlatSlice(TrainableTensor Tensor, long Start, long[] Shape)
{
    public long Length { get; } = Shape.Aggregate(1L, (product, size) => product * size);

    /// <summary>The slice of a flat tensor in the shape of the trainable tensor. The caller disposes it.</summary>
    public Tensor Of(Tensor flat)
    {
        using var range = flat.narrow(0, Start, Length);
        return range.view(Shape);
    }
}

/// <summary>The contiguous part of a buffer that one parameter group fills.</summary>
internal readonly record struct FlatRange(int Group, long Start, long Length);

/// <summary>All trainable tensors of one dtype on one device, and their gradients, each as one flat tensor.</summary>
internal sealed class FlatBuffer : IDisposable
{
    // A cache line, and the widest vector of current processors: slices then allow aligned loads.
    private const int AlignmentInBytes = 64;

    /// <summary>The buffer's length is a multiple of this.</summary>
    public const int NormBlock = 1024;

    private readonly int elementSize;
    private readonly IntPtr valuesAddress;
    private readonly IntPtr gradientsAddress;

    public FlatBuffer(IReadOnlyList<IGrouping<int, TrainableTensor>> groups, ScalarType dtype, Device device)
    {
        var slices = new List<FlatSlice>();
        var ranges = new List<FlatRange>();
        elementSize = (int)groups[0].First().Value.ElementSize;
        var alignment = AlignmentInBytes / elementSize;
        var end = 0L;
        foreach (var group in groups)
        {
            var start = end;
            foreach (var tensor in group)
            {
                var slice = new FlatSlice(tensor, end, tensor.Value.shape);
                slices.Add(slice);
                end = (end + slice.Length + alignment - 1) / alignment * alignment;
            }
            ranges.Add(new(group.Key, start, end - start));
        }
        end = (end + NormBlock - 1) / NormBlock * NormBlock;
        Slices = slices;
        Ranges = ranges;
        using var _ = no_grad();
        Values = zeros(end, dtype: dtype, device: device).DetachFromDisposeScope();
        Gradients = zeros_like(Values).DetachFromDisposeScope();
        (valuesAddress, gradientsAddress) = (TensorAddress.Of(Values), TensorAddress.Of(Gradients));
    }

    public IReadOnlyList<FlatSlice> Slices { get; }

    public IReadOnlyList<FlatRange> Ranges { get; }

    /// <summary>All values, <c>[total]</c>. Gaps between and after the slices stay 0.</summary>
    public Tensor Values { get; }

    /// <summary>All gradients, <c>[total]</c>. Gaps between and after the slices stay 0.</summary>
    public Tensor Gradients { get; }

    /// <summary>True if a tensor is the expected slice of <see cref="Values"/>.</summary>
    public bool HoldsValue(FlatSlice slice, Tensor value) => Holds(valuesAddress, slice, value);

    /// <summary>True if a tensor is the expected slice of <see cref="Gradients"/>.</summary>
    public bool HoldsGradient(FlatSlice slice, Tensor gradient) => Holds(gradientsAddress, slice, gradient);

    public void Dispose()
    {
        Values.Dispose();
        Gradients.Dispose();
    }

    private bool Holds(IntPtr start, FlatSlice slice, Tensor tensor)
        => slice.Length == 0 || TensorAddress.Of(tensor) == start + (nint)(slice.Start * elementSize);
}
