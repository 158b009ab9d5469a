using System.Xml.Linq;

namespace Peft.Report.Tests;

public class ChartTests
{
    [Fact]
    public void A_falling_curve_falls_in_the_drawing_and_its_axis_has_round_ticks()
    {
        var chart = LineChart.Draw("Loss", "", [new("", [(1, 3.1), (50, 2), (100, 1.2)], "c1")])!;
        var points = chart.Descendants("path").Single().Points();
        points.Select(point => point.X).ShouldBeInOrder();
        points.Select(point => point.Y).ShouldBeInOrder(SortDirection.Ascending);   // y grows downwards
        Ticks(chart, "tick end").ShouldBe(["1.5", "2", "2.5", "3"]);
        Ticks(chart, "tick middle").ShouldBe(["20", "40", "60", "80", "100"]);
    }

    [Fact]
    public void A_long_curve_is_short_in_the_page_and_keeps_its_peaks()
    {
        var points = Enumerable.Range(0, 100_000).Select(i => ((double)i, i == 54_321 ? 100 : Math.Sin(i))).ToList();
        var path = LineChart.Draw("Loss", "", [new("", points, "c1")])!.Descendants("path").Single();
        path.Points().Count.ShouldBeLessThanOrEqualTo(402);
        ((string)path.Attribute("d")!).Length.ShouldBeLessThan(8_000);
        path.Points().Min(point => point.Y).ShouldBeLessThan(path.Points().Select(point => point.Y).Order().Skip(1).First() - 100);
    }

    [Fact]
    public void Values_that_are_not_finite_are_gaps()
    {
        var chart = LineChart.Draw("Loss", "", [new("", [(1, 1), (2, double.NaN), (3, 2), (4, double.PositiveInfinity), (5, 1)], "c1")])!;
        ((string)chart.Descendants("path").Single().Attribute("d")!).Count(letter => letter == 'M').ShouldBe(3);
        LineChart.Draw("Loss", "", [new("", [(1, double.NaN)], "c1")]).ShouldBeNull();
    }

    [Fact]
    public void A_constant_curve_and_a_single_point_are_drawn()
    {
        LineChart.Draw("Loss", "", [new("", [(1, 0), (2, 0)], "c1")])!.Descendants("path").Single().Points().Count.ShouldBe(2);
        LineChart.Draw("Loss", "", [new("", [(7, 4)], "c1")])!.Descendants("circle").Count().ShouldBe(1);
    }

    [Theory]
    [InlineData(0, 1e-9)]
    [InlineData(-1e12, 1e12)]
    [InlineData(5, 5)]
    [InlineData(0, 0)]
    [InlineData(1e300, 1.0000001e300)]
    public void An_axis_has_a_few_ticks_within_its_span(double low, double high)
    {
        var axis = new Axis(low, high, 0, 100, 4);
        axis.Ticks.Count.ShouldBeInRange(1, 9);
        axis.Ticks.ShouldAllBe(tick => axis.At(tick) >= -1e-3 && axis.At(tick) <= 100.001);
    }

    [Fact]
    public void A_heat_map_has_a_row_for_each_layer_and_a_column_for_each_module()
    {
        var map = HeatMap.Draw("Parameters", [("model.layers.0.self_attn.q_proj", 10), ("model.layers.0.mlp.up_proj", 20), ("model.layers.1.self_attn.q_proj", 5), ("lm_head", 40)], value => $"{value}")!;
        map.Descendants("tr").Select(row => string.Join('|', row.Elements().Select(cell => cell.Value))).ShouldBe(["layer|self_attn.q_proj|mlp.up_proj|lm_head", "0|10|20|", "1|5||", "–|||40"]);
        ((string)map.Descendants("td").First().Attribute("style")!).ShouldBe("--share:25%");
    }

    [Fact]
    public void A_comparison_lays_the_curves_of_runs_over_each_other_and_lists_what_differs()
    {
        RunRecord Run(string name, int rank) => new()
        {
            Name = name,
            Configuration = new Dictionary<string, string> { ["rank"] = $"{rank}", ["seed"] = "42" },
            Steps = [.. Enumerable.Range(1, 20).Select(step => new RunStep(step, new Dictionary<string, double> { ["loss"] = 3.0 - rank * 0.01 * step }))],
        };
        var page = PageFile.Parse(ComparisonPage.Html([Run("small", 4), Run("large", 8), Run("large", 16)]));
        page.Chart("Loss (mean)").Descendants("path").Select(path => (string)path.Attribute("class")!).ShouldBe(["c1", "c2", "c3"]);
        var tables = page.Descendants("table").ToList();
        tables[0].Descendants("tr").First().Elements().Select(cell => cell.Value).ShouldBe(["", "small", "large (2)", "large (3)"]);
        tables[0].Descendants("tr").Single(row => row.Element("th")!.Value == "final loss").Elements("td").Select(cell => cell.Value).ShouldBe(["2.22", "1.44", "-0.12"]);
        tables[1].Descendants("tr").Skip(1).Select(row => string.Join('|', row.Elements().Select(cell => cell.Value))).ShouldBe(["rank|4|8|16"]);
        Should.Throw<ReportException>(() => ComparisonPage.Html([]));
    }

    [Fact]
    public void A_metric_that_never_changes_is_a_number_instead_of_a_chart()
    {
        var page = PageFile.Parse(RunPage.Html(new() { Name = "run", Steps = [.. Enumerable.Range(1, 3).Select(step => new RunStep(step, new Dictionary<string, double> { ["loss"] = step, ["reward"] = step, ["clipped"] = 0 }))] }));
        page.Charts().Select(chart => chart.Descendants("b").First().Value).ShouldBe(["Loss", "reward"]);
        page.Descendants("p").Select(text => text.Value).ShouldContain("Unchanged: clipped 0.");
    }

    [Fact]
    public void A_record_without_anything_is_a_page_without_sections()
        => PageFile.Parse(RunPage.Html(new() { Name = "run" })).Descendants("section").ShouldBeEmpty();

    [Fact]
    public void Settings_that_only_one_of_two_methods_has_are_no_difference()
    {
        RunRecord Run(string method, params (string, string)[] settings) => new() { Name = method, Configuration = settings.Append(("adapter.PeftType", method)).ToDictionary(pair => pair.Item1, pair => pair.Item2) };
        static IEnumerable<string> Rows(RunRecord one, RunRecord two) => PageFile.Parse(ComparisonPage.Html([one, two])).Descendants("table").Last().Descendants("th").Select(cell => cell.Value).Where(name => name.Contains('.'));
        Rows(Run("LORA", ("adapter.Rank", "8"), ("adapter.UseDora", "False")), Run("VERA", ("adapter.Rank", "64"), ("training.EarlyStoppingPatience", "3"), ("training.OutputFolder", "x"))).ShouldBe(["adapter.Rank", "adapter.PeftType", "training.EarlyStoppingPatience"]);
        Rows(Run("LORA", ("adapter.Rank", "8")), Run("LORA", ("adapter.Rank", "8"), ("adapter.LayersToTransform", "0, 1"))).ShouldBe(["adapter.LayersToTransform"]);
    }

    private static IEnumerable<string> Ticks(XElement chart, string style) => chart.Descendants("text").Where(text => (string)text.Attribute("class")! == style).Select(text => text.Value);
}
