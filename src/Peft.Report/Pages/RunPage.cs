using System.Xml.Linq;
using Peft.Checkpoints;

namespace Peft.Report;

/// <summary>A self-contained page about one run.</summary>
public static class RunPage
{
    /// <summary>Writes the page to a file.</summary>
    /// <exception cref="CheckpointException">The file cannot be written.</exception>
    public static void Write(RunRecord run, string path)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        AtomicFile.WriteText(path, Html(run));
    }

    /// <summary>The page. Opened offline, it shows in light or dark what the run recorded; it holds no script.</summary>
    public static string Html(RunRecord run)
    {
        ArgumentNullException.ThrowIfNull(run);
        return HtmlPage.Of($"{run.Name}: training report",
            Markup.Tag("h1", run.Name),
            Markup.Tag("p", Markup.With("class", "status"), Status(run)),
            Tiles(run),
            Section("Curves", Markup.Tag("div", Markup.Tag("div", Markup.With("class", "charts"), RunCharts.All(run)), Unchanged(run))),
            Section("What the adapter changed", LayerTable.Draw(run.Layers)),
            Section("Samples", SampleTable.Draw(run.Samples)),
            Section("Configuration", Configuration(run)));
    }

    internal static string Status(RunRecord run)
        => (run.Ended switch
        {
            nameof(StopReason.Completed) => "Completed",
            nameof(StopReason.EarlyStopping) => "Stopped early",
            nameof(StopReason.Callback) => "Stopped by a callback",
            _ => "Not ended",
        }) + $" after step {run.LastStep}" + (run.TotalSteps is { } total ? $" of {total}." : ".");

    private static XElement? Tiles(RunRecord run)
    {
        var tiles = RunSummary.Of(run).Where(each => each.Text is not null).ToList();
        return tiles.Count == 0 ? null : Markup.Tag("dl", Markup.With("class", "tiles"), tiles.Select(tile => Markup.Tag("div", Markup.Tag("dt", tile.Name), Markup.Tag("dd", tile.Text))));
    }

    private static XElement? Unchanged(RunRecord run)
        => RunCharts.Constant(run) is { Count: > 0 } constant ? Markup.Tag("p", Markup.With("class", "status"), $"Unchanged: {string.Join(", ", constant.Select(each => $"{each.Name} {Display.Number(each.Value)}"))}.") : null;

    private static XElement? Section(string title, XElement? content)
        => content is null || !content.DescendantsAndSelf().Any(element => element.Name.LocalName is "figure" or "table" or "article" or "p") ? null : Markup.Tag("section", Markup.Tag("h2", title), content);

    private static XElement? Configuration(RunRecord run)
        => run.Configuration.Count == 0 ? null : Markup.Tag("table", Markup.With("class", "settings"),
            run.Configuration.Select(pair => Markup.Tag("tr", Markup.Tag("th", pair.Key), Markup.Tag("td", pair.Value))));
}
