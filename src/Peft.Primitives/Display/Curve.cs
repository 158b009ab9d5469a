using System.Text;

namespace Peft;

/// <summary>A curve of a chart.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Points">Its points, from left to right.</param>
/// <param name="Style">CSS classes of its path.</param>
internal sealed record Curve(string Name, IReadOnlyList<(double X, double Y)> Points, string Style)
{
    private const int Most = 400;

    /// <summary>The exponential mean of the last values, corrected for its beginning.</summary>
    public Curve Smooth(string name, string style, double decay)
    {
        var (mean, weight) = (0.0, 0.0);
        var points = new List<(double, double)>();
        foreach (var (x, y) in Points)
        {
            if (!double.IsFinite(y)) continue;
            (mean, weight) = (decay * mean + (1 - decay) * y, decay * weight + 1 - decay);
            points.Add((x, mean / weight));
        }
        return new(name, points, style);
    }

    /// <summary>Data of an SVG path. Long curves keep the minimum and maximum of each part, so that no peak is lost; values that are not finite are gaps.</summary>
    public string Path(Axis x, Axis y)
    {
        var path = new StringBuilder();
        var pen = 'M';
        foreach (var point in Thin())
        {
            if (!double.IsFinite(point.Y))
            {
                pen = 'M';
                continue;
            }
            path.Append(pen).Append(Markup.Coordinate(x.At(point.X))).Append(' ').Append(Markup.Coordinate(y.At(point.Y)));
            pen = 'L';
        }
        return path.ToString();
    }

    private IEnumerable<(double X, double Y)> Thin()
    {
        if (Points.Count <= Most) return Points;
        return Points.Chunk((Points.Count + Most / 2 - 1) / (Most / 2)).SelectMany(part =>
        {
            var gap = part.Where(point => !double.IsFinite(point.Y)).Take(1);
            var finite = part.Where(point => double.IsFinite(point.Y)).ToList();
            return finite.Count == 0 ? gap : gap.Concat([finite.MinBy(point => point.Y), finite.MaxBy(point => point.Y)]).DistinctBy(point => point.X).OrderBy(point => point.X);
        });
    }
}
