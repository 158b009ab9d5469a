using System.Globalization;
using System.Xml.Linq;

namespace Peft.Benchmarks;

/// <summary>A picture of ratios to another library: a row for each work, a dot for each processor.</summary>
/// <param name="Title">Title of the picture.</param>
/// <param name="Processors">Names of the processors.</param>
/// <param name="Rows">The works, each with a ratio for each processor; null where none was measured.</param>
internal sealed record RatioChart(string Title, IReadOnlyList<string> Processors, IReadOnlyList<(string Work, double?[] Ratios)> Rows)
{
    private const double Left = 270, Unit = 36, Top = 58, Line = 22;

    private const string Style = """
        text{font:12px sans-serif;fill:#777}.title{font-size:14px;font-weight:bold}.end{text-anchor:end}.middle{text-anchor:middle}.grid{stroke:#777;opacity:.25}.one{stroke:#777;stroke-width:2}
        circle{fill:var(--c);opacity:.85}.c0{--c:#3b82d6}.c1{--c:#d97a1f}.c2{--c:#2ea06e}.c3{--c:#b05cc8}
        """;

    /// <summary>Reads a table: the processors in the first line, then a work and its ratios in each.</summary>
    public static RatioChart Read(string file, string title)
    {
        var lines = File.ReadAllLines(file).Select(line => line.Split(',')).ToList();
        return new(title, lines[0][1..], [.. lines.Skip(1).Select(line => (line[0], line[1..].Select(cell => cell.Length == 0 ? (double?)null : double.Parse(cell, CultureInfo.InvariantCulture)).ToArray()))]);
    }

    /// <summary>The picture.</summary>
    public XElement Draw()
    {
        var most = (int)Math.Ceiling(Rows.Max(row => row.Ratios.Max()!.Value));
        var (width, bottom) = (At(most) + 24, Top + Line * Rows.Count);
        return Svg.Of(width, bottom + 24, Style, Title,
            Processors.Select((name, i) => new[]
            {
                Markup.Classed("circle", $"c{i}", Markup.With("cx", Left + 78 * i), Markup.With("cy", 36), Markup.With("r", 5)),
                Markup.Tag("text", Markup.With("x", Left + 78 * i + 10), Markup.With("y", 40), name),
            }),
            Enumerable.Range(0, most + 1).Select(ratio => new[]
            {
                Markup.Classed("line", ratio == 1 ? "one" : "grid", Markup.With("x1", At(ratio)), Markup.With("x2", At(ratio)), Markup.With("y1", Top - 6), Markup.With("y2", bottom)),
                Markup.Classed("text", "middle", Markup.With("x", At(ratio)), Markup.With("y", bottom + 16), ratio.ToString(CultureInfo.InvariantCulture)),
            }),
            Rows.Select((row, i) => Dots(row, Top + Line * (i + 0.5))));

        static double At(double ratio) => Left + Unit * ratio;

        static XElement[] Dots((string Work, double?[] Ratios) row, double y) =>
        [
            Markup.Classed("text", "end", Markup.With("x", Left - 10), Markup.With("y", y + 4), row.Work),
            .. row.Ratios.Select((ratio, i) => (Ratio: ratio, Index: i)).Where(each => each.Ratio is not null)
                .Select(each => Markup.Classed("circle", $"c{each.Index}", Markup.With("cx", At(each.Ratio!.Value)), Markup.With("cy", y), Markup.With("r", 5))),
        ];
    }
}
