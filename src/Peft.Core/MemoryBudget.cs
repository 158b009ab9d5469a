using System.Globalization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Refuses tensors that the machine cannot hold before they are allocated: a system may promise memory that it does not have, and end the process when it is used.</summary>
internal static class MemoryBudget
{
    /// <summary>Name of an entry of <see cref="AppContext"/>, a number of bytes of type <see cref="long"/>: a program that shares its machine can set a lower limit.</summary>
    public const string LimitName = "Peft.MemoryLimit";

    private static Int128 Limit => AppContext.GetData(LimitName) is long own ? own : Machine;

    private static readonly Int128 Machine = Math.Max(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes, PhysicalAndSwap());

    /// <summary>Checks that so many numbers fit into the machine's memory, as far as is known: not on other devices, which refuse by themselves.</summary>
    /// <param name="numbers">How many.</param>
    /// <param name="type">Their type; the default type if null.</param>
    /// <param name="device">Where they are to lie; the CPU if null.</param>
    /// <param name="what">What they are, and what to change: a sentence's end.</param>
    /// <exception cref="NotEnoughMemoryException">They do not fit.</exception>
    public static void Require(Int128 numbers, ScalarType? type, Device? device, Func<string> what)
    {
        if (device is not null && device.type != DeviceType.CPU) return;
        var bytes = numbers * SizeOf(type ?? get_default_dtype());
        if (bytes > Limit) throw new NotEnoughMemoryException($"This would take {Text(bytes)}, but the machine has {Text(Limit)}: {what()}");
    }

    /// <summary>Checks that a tensor of a shape fits.</summary>
    /// <exception cref="NotEnoughMemoryException">It does not.</exception>
    /// <exception cref="ArgumentOutOfRangeException">A dimension is negative.</exception>
    public static void Require(ReadOnlySpan<long> shape, ScalarType? type, Device? device)
    {
        var numbers = 1.0;   // beyond 2⁵³ the last digits do not matter
        foreach (var size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            numbers *= size;
        }
        var sizes = shape.ToArray();
        Require((Int128)numbers, type, device, () => $"a tensor of the shape [{string.Join(", ", sizes)}]. Lower the size (rank, number of tokens, width) that it follows from.");
    }

    private static int SizeOf(ScalarType type) => type switch
    {
        ScalarType.Float64 or ScalarType.Int64 or ScalarType.ComplexFloat32 => 8,
        ScalarType.ComplexFloat64 => 16,
        ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Int16 => 2,
        ScalarType.Byte or ScalarType.Int8 or ScalarType.Bool => 1,
        _ => 4,
    };

    private static string Text(Int128 bytes) => string.Create(CultureInfo.InvariantCulture, $"{(double)bytes / (1 << 30):N1} GiB");

    // What the runtime calls available may be a limit of the managed heap alone.
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
