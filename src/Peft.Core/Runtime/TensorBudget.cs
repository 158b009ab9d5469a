using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Limits the size of tensors that options request, before they are allocated: by the machine's memory and, for a saved adapter, by the size of its file and
/// the model.
/// </summary>
internal static class TensorBudget
{
    // Small adapters are always allowed.
    private const long Always = 256L << 20;

    [ThreadStatic] private static long? left;

    /// <summary>Plans the layers of an adapter; where the memory does not suffice for their tensors, the error names the options.</summary>
    /// <exception cref="AdapterOptionsException">The tensors would be too large.</exception>
    public static AdapterPlan Plan(AdapterOptions options, Func<AdapterPlan> plan)
    {
        try
        {
            return plan();
        }
        catch (Exception error) when (error is ExternalException or OutOfMemoryException or OverflowException or NotEnoughMemoryException or ArgumentOutOfRangeException { ParamName: "shape" })
        {
            throw new AdapterOptionsException($"{options.GetType().Name} requires tensors that cannot be allocated ({error.Message.Split('\n')[0]}): check its ranks and sizes.");
        }
    }

    /// <summary>Limits the allocations of this thread until the result is disposed, since an adapter is not much larger than its file and its model.</summary>
    public static IDisposable For(IEnumerable<long> bytes)
    {
        var before = left;
        left = Math.Max(Always, 4 * bytes.Sum());
        return new End(before);
    }

    /// <summary>Returns the shape if a tensor of that shape may be allocated.</summary>
    public static long[] Take(long[] shape, ScalarType type, Device device)
    {
        if (device.type == TorchSharp.DeviceType.META) return shape;
        MemoryBudget.Require(shape, type, device);
        if (left is not { } limit) return shape;
        var bytes = shape.Aggregate(type is ScalarType.Float64 or ScalarType.Int64 ? 8.0 : 4.0, (product, size) => product * size);
        if (bytes > limit)
            throw new AdapterOptionsException($"The options require a tensor [{string.Join(", ", shape)}] of {bytes / (1L << 20):N0} MiB, but the saved adapter and its model allow only {Math.Max(0, limit) >> 20:N0} MiB: check ranks and sizes.");
        left = limit - (long)bytes;
        return shape;
    }

    private sealed class End(long? before) : IDisposable
    {
        public void Dispose() => left = before;
    }
}
