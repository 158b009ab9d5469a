using System.Globalization;
using System.Xml.Linq;

namespace Peft.Benchmarks;

/// <summary>Measured curves with logarithmic axes: a file of data and a picture.</summary>
/// <param name="Name">Name of the files.</param>
/// <param name="Title">Title of the picture.</param>
/// <param name="Across">What the horizontal axis shows.</param>
/// <param name="Up">What the vertical axis shows.</param>
/// <param name="Series">The curves.</param>
internal sealed record Plot(string Name, string Title, string Across, string Up, IReadOnlyList<Series> Series)
{
    private const double Width = 560, Height = 300, Head = 30, Line = 18;

    private const string Style = """
        text{font:12px sans-serif;fill:#777}.tick{font-size:11px}.title{font-size:14px;font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#777;opacity:.25}
        path{fill:none;stroke:var(--c);stroke-width:2;stroke-linejoin:round}circle,rect{fill:var(--c)}.c0{--c:#3b82d6}.c1{--c:#d97a1f}.c2{--c:#2ea06e}.c3{--c:#b05cc8}.bound{--c:#777}path.bound{stroke-dasharray:5 4}
        """;

    /// <summary>Writes <c>name.csv</c> and <c>name.svg</c>.</summary>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllLines(Path.Combine(folder, $"{Name}.csv"), [$"series,{Across},{Up}", .. Series.SelectMany(series => series.Points.Select(point => string.Create(CultureInfo.InvariantCulture, $"{series.Name},{point.X:G6},{point.Y:G6}")))]);
        File.WriteAllText(Path.Combine(folder, $"{Name}.svg"), Draw().ToString() + "\n");
    }

    private XElement Draw()
    {
        static double Log(double value) => Math.Log2(value);
        var curves = Series.Select(series => new Curve(series.Name, [.. series.Points.Select(point => (Log(point.X), Log(point.Y)))], series.Style)).ToList();
        var drawing = new CurveDrawing(Width, Height).Draw($"{Title}: {Up} by {Across}", curves, exponent => Text(Math.Pow(2, exponent))) ?? throw new InvalidOperationException($"The plot {Name} has no points.");
        drawing.Add(Markup.With("y", Head), Markup.With("width", Width), Markup.With("height", Height));
        var height = Head + Height + Line * (Series.Count + 1) + 6;
        return Svg.Of(Width, height, Style, Title,
            Markup.Classed("text", "end", Markup.With("x", Width - 8), Markup.With("y", 18), Up),
            drawing,
            Markup.Classed("text", "middle", Markup.With("x", Width / 2), Markup.With("y", Head + Height + 12), Across),
            Series.Select((series, i) => new[]
            {
                Markup.Classed("rect", series.Style, Markup.With("x", 46), Markup.With("y", Head + Height + 12 + Line * (i + 1) - 7), Markup.With("width", 14), Markup.With("height", 3)),
                Markup.Tag("text", Markup.With("x", 68), Markup.With("y", Head + Height + 12 + Line * (i + 1)), series.Name),
            }));
    }

    private static string Text(double value) => value.ToString(value >= 100 ? "#,0" : value >= 10 ? "0.#" : "0.##", CultureInfo.InvariantCulture);
}
