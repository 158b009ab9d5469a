namespace Peft.Export.Tests;

internal static class Differences
{
    /// <summary>The largest difference of two tables.</summary>
    public static double Difference(this float[][] one, float[][] other) => one.Zip(other, (a, b) => a.Zip(b, (x, y) => Math.Abs((double)x - y)).Max()).Max();
}
