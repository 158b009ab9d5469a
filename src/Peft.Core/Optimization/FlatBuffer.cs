using static TorchSharp.torch;

namespace Peft;

/// <summary>All trainable tensors of one dtype on one device as one flat tensor, and their gradients as another.</summary>
internal sealed class FlatBuffer : IDisposable
{
    // A cache line and the widest vector of current processors, so that slices allow aligned loads.
    private const int AlignmentInBytes = 64;

    /// <summary>The length of the buffer is a multiple of this.</summary>
    public const int NormBlock = 1024;

    private readonly int elementSize;
    private readonly IntPtr valuesAddress;
    private Dictionary<FlatSlice, long>? gradientStarts;   // null if all slices have gradients, in the layout of the values
    private IntPtr gradientsAddress;

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

    /// <summary>All gradients of the slices that have one. Gaps between and after them stay 0.</summary>
    public Tensor Gradients { get; private set; }

    /// <summary>True if a slice has a gradient.</summary>
    public bool HasGradient(FlatSlice slice) => gradientStarts?.ContainsKey(slice) != false;

    /// <summary>Views the gradient of a slice that has one, in its shape. The caller disposes it.</summary>
    public Tensor GradientOf(FlatSlice slice) => GradientSlice(slice).Of(Gradients);

    /// <summary>Locates the gradient of a slice that has one.</summary>
    public FlatSlice GradientSlice(FlatSlice slice) => slice with { Start = GradientStart(slice) };

    /// <summary>Allocates gradients, initialized to 0, only for some of the slices.</summary>
    public void KeepGradients(Func<FlatSlice, bool> chosen)
    {
        var starts = new Dictionary<FlatSlice, long>(ReferenceEqualityComparer.Instance);
        var (end, alignment) = (0L, AlignmentInBytes / elementSize);
        foreach (var slice in Slices.Where(chosen))
        {
            starts.Add(slice, end);
            end = (end + slice.Length + alignment - 1) / alignment * alignment;
        }
        var all = starts.Count == Slices.Count;
        using var _ = no_grad();
        var (dtype, device) = (Values.dtype, Values.device);
        Gradients.Dispose();   // before the new ones are allocated
        Gradients = zeros(all ? Values.size(0) : Math.Max(1, (end + NormBlock - 1) / NormBlock) * NormBlock, dtype: dtype, device: device).DetachFromDisposeScope();
        gradientStarts = all ? null : starts;
        gradientsAddress = TensorAddress.Of(Gradients);
    }

    /// <summary>True if a tensor is its slice of <see cref="Values"/>.</summary>
    public bool HoldsValue(FlatSlice slice, Tensor value) => Holds(valuesAddress, slice, value, slice.Start);

    /// <summary>True if a tensor is its slice of <see cref="Gradients"/>.</summary>
    public bool HoldsGradient(FlatSlice slice, Tensor gradient) => Holds(gradientsAddress, slice, gradient, GradientStart(slice));

    public void Dispose()
    {
        Values.Dispose();
        Gradients.Dispose();
    }

    private long GradientStart(FlatSlice slice) => gradientStarts is null ? slice.Start : gradientStarts[slice];

    private bool Holds(IntPtr address, FlatSlice slice, Tensor tensor, long start)
        => slice.Length == 0 || TensorAddress.Of(tensor) == address + (nint)(start * elementSize);
}
