using System.Text.Json.Nodes;

namespace Peft.Data.Tests;

public class DisplayTests
{
    [Fact]
    public void A_notebook_shows_the_columns_and_the_first_rows_escaped()
    {
        var data = Dataset.Of(Enumerable.Range(0, 100).Select(i => new JsonObject { ["prompt"] = $"<b>{i}</b>", ["tags"] = new JsonArray("é", i), ["note"] = null }), "many");
        var text = Html(data);
        text.ShouldContain("many");
        text.ShouldContain("the first 5 rows");
        text.ShouldContain("&lt;b&gt;4&lt;/b&gt;");
        text.ShouldContain("[\"é\",4]");
        text.ShouldNotContain("&lt;b&gt;5&lt;/b&gt;");
        Html(Dataset.Of([], "none")).ShouldContain("0 rows");
        Html(Dataset.Of([new() { ["text"] = new string('x', 5000) }])).Length.ShouldBeLessThan(4000);
    }

    private static string Html(Dataset data)
    {
        // By names, as .NET Interactive does it.
        var attribute = data.GetType().GetCustomAttributes(inherit: true).Single(each => each.GetType().Name == "TypeFormatterSourceAttribute");
        var display = Activator.CreateInstance((Type)attribute.GetType().GetProperty("FormatterSourceType")!.GetValue(attribute)!)!;
        using var writer = new StringWriter();
        display.GetType().GetMethod("Format")!.Invoke(display, [data, writer]).ShouldBe(true);
        return writer.ToString();
    }
}
