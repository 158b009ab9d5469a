namespace Peft;

// Metrics for regression.
public static partial class Metrics
{
    /// <summary>Computes the mean of the squared differences.</summary>
    /// <param name="predicted">One predicted number per row.</param>
    /// <param name="expected">The correct numbers.</param>
    /// <exception cref="ArgumentException">The row counts differ, or there are no rows.</exception>
    public static double MeanSquaredError(IReadOnlyList<double> predicted, IReadOnlyList<double> expected)
    {
        Require(predicted, expected);
        return predicted.Zip(expected).Average(pair => (pair.First - pair.Second) * (pair.First - pair.Second));
    }

    /// <summary>Computes Pearson's correlation coefficient, in [−1, 1]; NaN if either side is constant.</summary>
    /// <param name="predicted">One predicted number per row.</param>
    /// <param name="expected">The correct numbers.</param>
    /// <exception cref="ArgumentException">The row counts differ, or there are no rows.</exception>
    public static double Pearson(IReadOnlyList<double> predicted, IReadOnlyList<double> expected)
    {
        Require(predicted, expected);
        double first = predicted.Average(), second = expected.Average(), product = 0, firstSquare = 0, secondSquare = 0;
        for (var row = 0; row < expected.Count; row++)
        {
            var (a, b) = (predicted[row] - first, expected[row] - second);
            product += a * b;
            firstSquare += a * a;
            secondSquare += b * b;
        }
        return firstSquare > 0 && secondSquare > 0 ? Math.Clamp(product / Math.Sqrt(firstSquare) / Math.Sqrt(secondSquare), -1, 1) : double.NaN;
    }

    /// <summary>Computes Spearman's rank correlation coefficient, in [−1, 1]: Pearson's correlation of the ranks, with the mean rank for ties; NaN if either side is constant.</summary>
    /// <param name="predicted">One predicted number per row.</param>
    /// <param name="expected">The correct numbers.</param>
    /// <exception cref="ArgumentException">The row counts differ, or there are no rows.</exception>
    public static double Spearman(IReadOnlyList<double> predicted, IReadOnlyList<double> expected)
    {
        Require(predicted, expected);
        return Pearson(Ranks(predicted), Ranks(expected));
    }

    private static double[] Ranks(IReadOnlyList<double> values)
    {
        var order = Enumerable.Range(0, values.Count).OrderBy(row => values[row]).ToArray();
        var ranks = new double[values.Count];
        for (int start = 0, end; start < order.Length; start = end)
        {
            end = start + 1;
            while (end < order.Length && values[order[end]] == values[order[start]]) end++;
            for (var i = start; i < end; i++) ranks[order[i]] = (start + end - 1) / 2.0;
        }
        return ranks;
    }
}
