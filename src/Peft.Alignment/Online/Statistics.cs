namespace Peft;

/// <summary>Statistics of numbers, ignoring NaN.</summary>
internal static class Statistics
{
    /// <summary>The mean; NaN if there are no numbers.</summary>
    public static double Mean(IEnumerable<double> values) => values.Where(value => !double.IsNaN(value)).DefaultIfEmpty(double.NaN).Average();

    /// <summary>The standard deviation of a sample (divided by n − 1); NaN with fewer than two numbers.</summary>
    public static double Deviation(IEnumerable<double> values)
    {
        var numbers = values.Where(value => !double.IsNaN(value)).ToArray();
        if (numbers.Length < 2) return double.NaN;
        var mean = numbers.Average();
        return Math.Sqrt(numbers.Sum(value => (value - mean) * (value - mean)) / (numbers.Length - 1));
    }
}
