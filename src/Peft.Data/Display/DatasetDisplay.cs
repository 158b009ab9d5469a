namespace Peft;

/// <summary>A dataset in a notebook: its columns and its first rows.</summary>
internal sealed class DatasetDisplay : HtmlDisplay<Dataset>
{
    private const int Rows = 5, Characters = 200;

    protected override IEnumerable<object?> Render(Dataset data)
    {
        var first = data.Take(Rows + 1).ToList();
        var columns = data.Columns;
        yield return Markup.Tag("div", Markup.Tag("b", data.Name), $": {data.Format}, {(first.Count > Rows ? $"the first {Rows} rows" : $"{first.Count} rows")}");
        yield return Markup.Table(columns, first.Take(Rows).Select(row => columns.Select(column => (object?)Short(row.Fields[column])).ToArray()));
    }

    private static string Short(System.Text.Json.Nodes.JsonNode? value)
    {
        var text = value is null ? "—" : value.GetValueKind() == System.Text.Json.JsonValueKind.String ? value.GetValue<string>() : value.ToJsonString(Readable);
        return text.Length <= Characters ? text : text[..Characters] + "…";
    }

    private static readonly System.Text.Json.JsonSerializerOptions Readable = new() { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
}
