namespace Peft.Cli;

/// <summary>A curve in a line of text.</summary>
internal static class Sparkline
{
    private const string Bars = "▁▂▃▄▅▆▇█";

    /// <summary>The means of equal parts of the values, from the smallest (▁) to the largest (█). Values that are not finite are ignored.</summary>
    public static string Of(IReadOnlyList<double> values, int width)
    {
        var finite = values.Where(double.IsFinite).ToList();
        if (finite.Count == 0) return "";
        var count = Math.Min(width, finite.Count);
        var means = Enumerable.Range(0, count).Select(i => finite[(int)((long)i * finite.Count / count)..(int)((i + 1L) * finite.Count / count)].Average()).ToList();
        var (low, high) = (means.Min(), means.Max());
        return string.Concat(means.Select(mean => Bars[high > low ? (int)Math.Round((mean - low) / (high - low) * (Bars.Length - 1)) : 0]));
    }
}
