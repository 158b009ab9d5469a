using System.Globalization;

namespace Peft.Report;

/// <summary>Numbers as people read them.</summary>
internal static class Display
{
    private static readonly string[] Sizes = ["B", "KB", "MB", "GB", "TB"];

    /// <summary>A number with four significant digits.</summary>
    public static string Number(double value)
        => !double.IsFinite(value) ? value.ToString(CultureInfo.InvariantCulture)
            : value == 0 ? "0"
            : Math.Abs(value) >= 10000 ? value.ToString("N0", CultureInfo.InvariantCulture)
            : Math.Abs(value) < 0.001 ? value.ToString("0.###e0", CultureInfo.InvariantCulture)
            : value.ToString("G4", CultureInfo.InvariantCulture);

    /// <summary>A number in few letters: 1.2k, 3M.</summary>
    public static string Short(double value) => Math.Abs(value) switch
    {
        >= 1e9 => (value / 1e9).ToString("0.##", CultureInfo.InvariantCulture) + "G",
        >= 1e6 => (value / 1e6).ToString("0.##", CultureInfo.InvariantCulture) + "M",
        >= 1e4 => (value / 1e3).ToString("0.#", CultureInfo.InvariantCulture) + "k",
        _ => Number(value),
    };

    /// <summary>The unit in which a number of bytes is written, and how many bytes it has.</summary>
    public static (string Name, double Size) Unit(double bytes)
    {
        var (unit, size) = (0, 1.0);
        for (; Math.Abs(bytes) >= 1024 * size && unit < Sizes.Length - 1; unit++) size *= 1024;
        return (Sizes[unit], size);
    }

    public static string Bytes(double value)
    {
        var (name, size) = Unit(value);
        return (value / size).ToString(size == 1 ? "0" : "0.#", CultureInfo.InvariantCulture) + " " + name;
    }

    public static string Time(double seconds)
    {
        var time = TimeSpan.FromSeconds(seconds);
        return time.TotalHours >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{(int)time.TotalHours} h {time.Minutes} min")
            : time.TotalMinutes >= 1 ? string.Create(CultureInfo.InvariantCulture, $"{time.Minutes} min {time.Seconds} s")
            : string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.0} s");
    }

    public static string Percent(double share) => (share * 100).ToString("G3", CultureInfo.InvariantCulture) + " %";
}
