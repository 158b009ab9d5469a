namespace Peft.Report.Tests;

/// <summary>The pages in headless Chromium. Without one on this machine there is nothing to measure.</summary>
public sealed class BrowserTests(Chromium chromium, BrowserTests.Pages pages) : IClassFixture<Chromium>, IClassFixture<BrowserTests.Pages>
{
    /// <summary>The page of a run, that of one with long names and large numbers, and one that compares eight runs.</summary>
    public sealed class Pages : IDisposable
    {
        private readonly TemporaryFolder folder = new();

        public Pages()
        {
            using (var run = new SmallRun())
            using (var report = new HtmlReport(folder["run.html"]) { Prompts = [SmallRun.Prompt], Complete = run.Complete })
                run.Trainer(report).Train();
            var text = string.Concat(Enumerable.Repeat("https://example.org/a-path-without-a-space/", 5));
            RunRecord Run(int number) => new()
            {
                Name = number == 0 ? text : $"a run with the number {number}",
                Configuration = new Dictionary<string, string> { ["rank"] = $"{number}", [text] = text, ["adapter.TargetModules"] = string.Join(", ", Enumerable.Repeat("self_attn.q_proj", 40)) },
                Samples = [new(0, text, text), new(20_000, text, "Once upon a time.\n" + text)],
                Steps = [.. Enumerable.Range(1, 2000).Select(step => new RunStep(step * 10_000, new Dictionary<string, double>
                {
                    ["loss"] = 3 + number + 1.0 / step, ["learning_rate"] = 1e-7 / step, ["gradient_norm"] = 12345.678 * step, ["tokens_per_second"] = 1e9 + step, ["memory_bytes"] = 3e10 + step, [text] = -1e-12 * step,
                }))],
                Layers = [.. Enumerable.Range(0, 24).SelectMany(layer => new[] { "self_attn.q_proj", "self_attn.v_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj", "a.module.with.a.very.long.name" }
                    .Select(module => new LayerUpdate($"model.layers.{layer}.{module}", "default", "LORA", 1_234_567, 1234.5, 0.001 * layer, [.. Enumerable.Range(1, 16).Select(i => 1.0 / i)])))],
            };
            folder.Write("long.html", RunPage.Html(Run(0)));
            folder.Write("comparison.html", ComparisonPage.Html([.. Enumerable.Range(0, 8).Select(Run)]));
        }

        public string this[string name] => folder[$"{name}.html"];

        public void Dispose() => folder.Dispose();
    }

    public static TheoryData<string> Names => ["run", "long", "comparison"];

    [Theory, MemberData(nameof(Names))]
    public async Task A_page_asks_for_nothing_and_complains_of_nothing(string name)
    {
        await using var page = await chromium.OpenAsync(pages[name], 1000, "light");
        if (page is null) return;
        page.Requests.ShouldBe([new Uri(pages[name]).AbsoluteUri]);
        page.Complaints.ShouldBeEmpty();
    }

    [Theory]
    [InlineData("run", 390)]
    [InlineData("run", 1280)]
    [InlineData("long", 390)]
    [InlineData("long", 1280)]
    [InlineData("comparison", 390)]
    [InlineData("comparison", 1280)]
    public async Task A_page_fits_a_phone_and_a_screen(string name, int width)
    {
        await using var page = await chromium.OpenAsync(pages[name], width, "light");
        if (page is null) return;
        (await page.BeyondAsync()).ShouldBeEmpty();
        (await page.CollisionsAsync()).ShouldBeEmpty();
    }

    [Theory]
    [InlineData("run", "light")]
    [InlineData("run", "dark")]
    [InlineData("long", "light")]
    [InlineData("long", "dark")]
    [InlineData("comparison", "light")]
    [InlineData("comparison", "dark")]
    public async Task Texts_and_curves_stand_out_by_what_WCAG_asks(string name, string scheme)
    {
        await using var page = await chromium.OpenAsync(pages[name], 1000, scheme);
        if (page is null) return;
        (await page.BackgroundAsync()).ShouldBe(scheme == "dark" ? "rgb(18, 21, 27)" : "rgb(246, 247, 249)");
        var texts = await page.TextContrastsAsync();
        texts.Length.ShouldBeGreaterThan(30);
        texts.Where(each => each.Ratio < 4.5).ShouldBeEmpty();   // level AA, 1.4.3
        var curves = await page.CurveContrastsAsync();
        curves.Length.ShouldBeGreaterThan(4);
        curves.Where(each => each.Ratio < 3).ShouldBeEmpty();   // 1.4.11
    }

    [Fact]
    public async Task What_is_wrong_with_a_page_is_found()
    {
        using var folder = new TemporaryFolder();
        var file = folder.Write("wrong.html", """
            <!doctype html><body style="background: white; margin: 0"><p style="color: #777">grey</p><p style="color: black">black</p><p style="background: #0008; color: white">over another</p>
            <div style="width: 500px; height: 9px"></div><div class="scroll" style="overflow: auto"><div style="width: 900px">scrolls</div></div>
            <svg viewBox="0 0 100 50" style="width: 300px"><text x="10" y="20">one</text><text x="12" y="22">two</text><text x="90" y="40">three</text><path d="M0 0L9 9" stroke="#ddd"/></svg>
            <img src="missing.png"><script>console.error('broken')</script></body>
            """);
        await using var page = await chromium.OpenAsync(file, 390, "light");
        if (page is null) return;
        page.Requests.ShouldBe([new Uri(file).AbsoluteUri, new Uri(folder["missing.png"]).AbsoluteUri]);
        page.Complaints.ShouldContain("Error: broken");
        (await page.BeyondAsync()).ShouldBe(["DIV  ends at 500", "the page has 500 pixels"]);
        (await page.CollisionsAsync()).ShouldBe(["one lies over two", "three is cut"]);
        var texts = (await page.TextContrastsAsync()).ToDictionary(each => each.What, each => each.Ratio);
        texts["P grey"].ShouldBe(4.48, 0.01);   // the known ratio of #777777 on white
        texts["P black"].ShouldBe(21, 0.01);
        texts["P over another"].ShouldBe(4.48, 0.02);   // black at 8/15 over white is #777777
        (await page.CurveContrastsAsync())[0].Ratio.ShouldBe(1.36, 0.01);
    }
}
