using System.Globalization;

namespace Examples;

/// <summary>A plot of results by the number of trainable parameters, on a logarithmic axis.</summary>
internal static class ParameterPlot
{
    /// <summary>Draws the plot; the caller saves and disposes it.</summary>
    /// <param name="results">A name, the number of trainable parameters and the result of each method.</param>
    /// <param name="result">What the results are.</param>
    /// <param name="least">Exponent of the left end of the axis, to the base 10.</param>
    /// <param name="most">Exponent of its right end.</param>
    public static ScottPlot.Plot Of(IEnumerable<(string Name, long Trainable, double Result)> results, string result, int least, int most)
    {
        var plot = new ScottPlot.Plot();
        List<(string Name, double X, double Y)> points = [.. results.Select(each => (each.Name, Math.Log10(each.Trainable), each.Result))];
        var height = points.Max(point => point.Y) - points.Min(point => point.Y);
        foreach (var (name, x, y) in points)
        {
            plot.Add.Marker(x, y, ScottPlot.MarkerShape.FilledCircle, 9);
            var label = plot.Add.Text(name, x, y);
            // To the left of the point if another one is in the way on the right.
            var crowded = points.Any(other => other.Name != name && other.X >= x && other.X < x + (most - least) * 0.1 && Math.Abs(other.Y - y) < 0.025 * height);
            label.LabelAlignment = crowded ? ScottPlot.Alignment.UpperRight : ScottPlot.Alignment.UpperLeft;
            (label.OffsetX, label.OffsetY) = (crowded ? -7 : 7, -7);
        }
        plot.Axes.Bottom.TickGenerator = new ScottPlot.TickGenerators.NumericManual([.. Enumerable.Range(least, most - least + 1).Select(power => new ScottPlot.Tick(power, power < 6 ? Text(power) : Text(power - 6) + "M"))]);
        plot.Axes.Right.MinimumSize = 30;   // room for half of the last label
        plot.XLabel("trainable parameters");
        plot.YLabel(result);
        plot.Axes.SetLimitsX(least, most);
        return plot;
    }

    private static string Text(int power) => Math.Pow(10, power).ToString("N0", CultureInfo.InvariantCulture);
}
