using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Rejects tensors that exceed the machine's memory before they are allocated. An overcommitting system would grant the memory and kill the process at its
/// first use.
/// </summary>
internal static class MemoryBudget
{
    /// <summary>Name of an <see cref="AppContext"/> entry: a limit in bytes, as a <see cref="long"/>, for programs that share their machine.</summary>
    public const string LimitName = "Peft.MemoryLimit";

    private static Int128 Limit => AppContext.GetData(LimitName) is long own ? own : Machine;

    private static readonly Int128 Machine = Math.Max(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, PhysicalAndSwap());

    /// <summary>Checks that a number of elements fits into the machine's memory. Only the CPU is checked: other devices report a failed allocation themselves.</summary>
    /// <param name="elements">Number of elements.</param>
    /// <param name="type">Their dtype; the default dtype if null.</param>
    /// <param name="device">Their device; the CPU if null.</param>
    /// <param name="what">The end of the error message: what was requested, and what to change.</param>
    /// <exception cref="NotEnoughMemoryException">They do not fit.</exception>
    public static void Require(Int128 elements, ScalarType? type, Device? device, Func<string> what)
    {
        if (device is not null && device.type != DeviceType.CPU) return;
        var bytes = elements * SizeOf(type ?? get_default_dtype());
        if (bytes > Limit) throw new NotEnoughMemoryException($"This would take {Text(bytes)}, but the machine has {Text(Limit)}: {what()}");
    }

    /// <summary>Checks that a tensor of a shape fits into the machine's memory.</summary>
    /// <exception cref="NotEnoughMemoryException">It does not fit.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is negative.</exception>
    public static void Require(ReadOnlySpan<long> shape, ScalarType? type, Device? device)
    {
        var elements = 1.0;   // above 2⁵³, the last digits do not matter
        foreach (var size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            elements *= size;
        }
        var sizes = shape.ToArray();
        Require((Int128)elements, type, device, () => $"a tensor of the shape [{string.Join(", ", sizes)}]. Reduce the size (rank, number of tokens, width) that determines it.");
    }

    private static int SizeOf(ScalarType type) => type switch
    {
        ScalarType.Float64 or ScalarType.Int64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.ComplexFloat64 => 16,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int16 => 2,
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        _ => Enum.IsDefined(type) ? 4 : throw new ArgumentOutOfRangeException(nameof(type), type, "This is not a dtype of PyTorch."),
    };

    /// <summary>Formats a number of bytes for readers.</summary>
    public static string Text(Int128 bytes)
        => bytes < 1 << 30 ? string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / (1 << 20):N0} MiB") : string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / (1 << 30):N1} GiB");

    // The value from the runtime may be only the limit of the managed heap.
    private static long PhysicalAndSwap()
    {
        try
        {
            return OperatingSystem.IsLinux()
                ? File.ReadLines("/proc/meminfo").Where(line => line.StartsWith("MemTotal:", StringComparison.Ordinal) || line.StartsWith("SwapTotal:", StringComparison.Ordinal))
                    .Sum(line => long.Parse(line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture) * 1024)
                : 0;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or FormatException or IndexOutOfRangeException)
        {
            return 0;
        }
    }
}
