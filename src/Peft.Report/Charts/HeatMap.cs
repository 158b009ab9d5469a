using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace Peft.Report;

/// <summary>A value for each adapted module: a row for each layer of the model, a column for each kind of module.</summary>
internal static partial class HeatMap
{
    /// <param name="title">Its title.</param>
    /// <param name="values">Values by path of the module, none of them negative.</param>
    /// <param name="text">Text of a value.</param>
    public static XElement? Draw(string title, IReadOnlyList<(string Path, double Value)> values, Func<double, string> text)
    {
        if (values.Count == 0) return null;
        var cells = values.Select(each => (Place: PlaceOf(each.Path), each.Path, each.Value)).ToList();
        var columns = cells.Select(cell => cell.Place.Column).Distinct().ToList();
        var most = cells.Max(cell => cell.Value);
        return Markup.Tag("figure", Markup.With("class", "wide"),
            Markup.Tag("figcaption", Markup.Tag("b", title)),
            Markup.Tag("div", Markup.With("class", "scroll"), Markup.Tag("table", Markup.With("class", "heat"),
                Markup.Tag("thead", Markup.Tag("tr", Markup.Tag("th", "layer"), columns.Select(column => Markup.Tag("th", column)))),
                Markup.Tag("tbody", cells.GroupBy(cell => cell.Place.Row).Select(row => Markup.Tag("tr", Markup.Tag("th", row.Key),
                    columns.Select(column => Cell([.. row.Where(cell => cell.Place.Column == column).Select(cell => (cell.Path, cell.Value))], most, text))))))));
    }

    private static XElement Cell(IReadOnlyList<(string Path, double Value)> values, double most, Func<double, string> text)
    {
        if (values.Count == 0) return Markup.Tag("td", Markup.With("class", "none"));
        var sum = values.Sum(each => each.Value);
        return Markup.Tag("td", Markup.With("style", $"--share:{Markup.Coordinate(most > 0 ? Math.Min(100, sum / most * 100) : 0)}%"), Markup.With("title", string.Join(", ", values.Select(each => each.Path))), text(sum));
    }

    // model.layers.3.self_attn.q_proj is in row 3, column self_attn.q_proj; a module outside of the layers has a separate row.
    private static (string Row, string Column) PlaceOf(string path)
    {
        if (path.Length == 0) return ("–", "virtual tokens");
        var match = Layer().Match(path);
        return match.Success ? (match.Groups["number"].Value, match.Groups["rest"].Value) : ("–", path);
    }

    [GeneratedRegex(@"^(?:.*?\.)?(?<number>\d+)\.(?<rest>.+)$")]
    private static partial Regex Layer();
}
