using System.Diagnostics;
using System.Globalization;

namespace QLora;

/// <summary>Memory of this process, and sizes as people write them.</summary>
internal static class ProcessMemory
{
    private static readonly (string Unit, double Bytes)[] Units = [("GB", 1e9), ("MB", 1e6), ("KB", 1e3)];

    /// <summary>Resident bytes now.</summary>
    public static long Now
    {
        get
        {
            using var own = Process.GetCurrentProcess();
            return own.WorkingSet64;
        }
    }

    /// <summary>The most that were resident so far.</summary>
    public static long Peak
    {
        get
        {
            using var own = Process.GetCurrentProcess();
            return own.PeakWorkingSet64;
        }
    }

    /// <summary>A size such as 1.5GB or 700MB in bytes.</summary>
    /// <exception cref="FormatException">The text is no size.</exception>
    public static long Parse(string text)
    {
        var (unit, bytes) = Units.FirstOrDefault(each => text.EndsWith(each.Unit, StringComparison.OrdinalIgnoreCase));
        return unit is not null && double.TryParse(text[..^2], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && number > 0 && number * bytes < long.MaxValue
            ? (long)(number * bytes) : throw new FormatException($"'{text}' is no size: write it as 1.5GB or 700MB.");
    }

    /// <summary>A number of bytes for people.</summary>
    public static string Show(long bytes)
        => bytes >= 1e9 ? string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:F1} GB") : string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:F0} MB");
}
