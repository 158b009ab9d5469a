using System.Text.RegularExpressions;

namespace Peft.Report.Tests;

public sealed partial class HtmlReportTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void One_line_gives_a_run_a_page_with_curves_layers_samples_and_configuration()
    {
        using var run = new SmallRun();
        using var report = new HtmlReport(folder["out/report.html"]) { Prompts = [SmallRun.Prompt], Complete = run.Complete };
        run.Trainer(report).Train();

        var page = PageFile.Parse(File.ReadAllText(report.File));
        foreach (var title in new[] { "Loss", "Learning rate", "Gradient norm", "Tokens per second", "Memory (MB)" }) page.Chart(title).Descendants("path").ShouldNotBeEmpty(title);
        page.Chart("Learning rate").Descendants("path").Single().Points().Count.ShouldBe(12);
        page.Descendants("table").Count(table => (string?)table.Attribute("class") == "heat").ShouldBe(2);
        page.Descendants("h3").Single().Value.ShouldBe(SmallRun.Prompt);
        page.Descendants("pre").Count().ShouldBe(2);
        var settings = page.Descendants("table").Single(table => (string?)table.Attribute("class") == "settings").Descendants("tr").ToDictionary(row => row.Element("th")!.Value, row => row.Element("td")!.Value);
        settings["adapter.Rank"].ShouldBe("4");
        settings["learning rate"].ShouldBe("0.01");
        settings["model"].ShouldStartWith("CausalLM");
        page.Descendants("p").First().Value.ShouldBe("Completed after step 12 of 12.");
    }

    [Fact]
    public void The_page_needs_no_other_file_no_script_and_no_connection()
    {
        using var run = new SmallRun();
        using var report = new HtmlReport(folder["report.html"]);
        run.Trainer(report, steps: 3).Train();

        var html = File.ReadAllText(report.File);
        html.ShouldNotContain("<script");
        html.ShouldNotContain("http");
        html.ShouldNotContain("url(");
        PageFile.Parse(html).DescendantsAndSelf().SelectMany(element => element.Attributes()).Select(attribute => attribute.Name.LocalName).ShouldNotContain(name => name == "src" || name == "href" || name.StartsWith("on"));
        html.Length.ShouldBeLessThan(100_000);
    }

    [Fact]
    public void Light_and_dark_have_the_same_variables_and_every_class_of_a_curve_has_a_colour()
    {
        var css = PageFile.Parse(RunPage.Html(new() { Name = "run" })).Descendants("style").Single().Value;
        var schemes = Schemes().Matches(css).Select(match => Variables().Matches(match.Value).Select(variable => variable.Groups[1].Value).ToList()).ToList();
        schemes.Count.ShouldBe(2);
        schemes[1].ShouldBe(schemes[0]);
        css.ShouldContain("@media (prefers-color-scheme: dark)");
        for (var i = 1; i <= 8; i++) css.ShouldContain($".c{i} {{ --c: var(--c{i}); }}");
    }

    [Fact]
    public void Every_text_is_escaped_and_what_a_page_cannot_hold_is_replaced()
    {
        const string Evil = "</pre><script>alert('x')</script> & \"quoted\" \u0001 \ud800 😀";
        var record = new RunRecord
        {
            Name = Evil,
            Configuration = new Dictionary<string, string> { [Evil] = Evil },
            Samples = [new(0, Evil, Evil)],
            Steps = [new(1, new Dictionary<string, double> { ["loss"] = 1, [Evil] = 2 })],
            Layers = [new(Evil, Evil, Evil, 3, 1, 0.5, [1, 0.5])],
        };
        foreach (var html in new[] { RunPage.Html(record), ComparisonPage.Html([record, record with { Name = "b" }]) })
        {
            html.ShouldNotContain("<script");
            PageFile.Parse(html).Descendants().ShouldContain(element => element.Value.Contains("</pre><script>alert('x')</script> & \"quoted\" \ufffd \ufffd 😀"));
        }
    }

    [Fact]
    public void A_cancelled_run_has_a_page_up_to_its_last_checkpoint_and_goes_on_when_it_is_resumed()
    {
        using var whole = new SmallRun();
        using var expected = new HtmlReport(folder["whole/report.html"]);
        whole.Trainer(expected, options: new() { OutputFolder = folder["whole"] }).Train();

        using var stop = new CancellationTokenSource();
        using (var first = new SmallRun())
        using (var report = new HtmlReport(folder["part/report.html"]))
            Should.Throw<TrainingCanceledException>(() => first.Trainer(report, options: new() { OutputFolder = folder["part"] }).Train(new Progress(step => { if (step == 5) stop.Cancel(); }), stop.Token));
        PageFile.Parse(File.ReadAllText(folder["part/report.html"])).Descendants("p").First().Value.ShouldBe("Not ended after step 5 of 12.");
        File.AppendAllText(folder["part/report.jsonl"], "{\"step\":6,\"train/loss\":9}\n{\"step\":7,\"tra");   // as if it had gone on and then been killed

        using var second = new SmallRun();
        using var resumed = new HtmlReport(folder["part/report.html"]);
        second.Trainer(resumed, options: new() { OutputFolder = folder["part"], ResumeFrom = Trainer.FindLastCheckpoint(folder["part"]) }).Train();

        var (record, reference) = (RunRecord.Read(resumed.LogFile), RunRecord.Read(expected.LogFile));
        record.Curve("loss").ShouldBe(reference.Curve("loss"));
        record.Layers.Select(layer => layer.UpdateNorm).ShouldBe(reference.Layers.Select(layer => layer.UpdateNorm));
        record.Ended.ShouldBe("Completed");
        PageFile.Parse(File.ReadAllText(resumed.File)).Descendants("p").First().Value.ShouldBe("Completed after step 12 of 12.");
    }

    [Fact]
    public void Samples_change_nothing_of_the_training()
    {
        using var plain = new SmallRun();
        using var sampled = new SmallRun();
        using var recorder = new RunRecorder(folder["run.jsonl"]) { Prompts = [SmallRun.Prompt], Complete = sampled.Complete };
        var expected = plain.Trainer(new Nothing()).Train();
        sampled.Trainer(recorder).Train().Losses.ShouldBe(expected.Losses);
        RunRecord.Read(folder).Samples.Select(sample => sample.Step).ShouldBe([0, 12]);
    }

    [Fact]
    public void A_report_that_cannot_be_written_names_its_file()
    {
        folder.Write("file", "");
        using var run = new SmallRun();
        using var report = new HtmlReport(folder["file/report.html"]);
        Should.Throw<ReportException>(() => run.Trainer(report, steps: 1).Train()).Message.ShouldContain(folder["file/report.jsonl"]);
    }

    [GeneratedRegex(":root \\{.*?\\}", RegexOptions.Singleline)]
    private static partial Regex Schemes();

    [GeneratedRegex("(--[a-z0-9]+):")]
    private static partial Regex Variables();

    private sealed class Nothing : ITrainerCallback;

    private sealed class Progress(Action<int> at) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => at(value.Step);
    }
}
