using System.Xml.Linq;
using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft.Core.Tests.Display;

/// <summary>What notebooks show. The HTML is well-formed XML, and is read back as such.</summary>
public class DisplayTests
{
    private static readonly EvaluationResult Evaluation = new(10, 0.5, new Dictionary<string, double> { ["accuracy"] = 0.75 }) { Samples = new Dictionary<string, IReadOnlyList<string>> { ["completions"] = ["<b>bold</b>"] } };

    [Fact]
    public void A_model_is_a_tree_in_which_equal_layers_are_one_node_and_adapted_modules_are_marked()
    {
        using var model = new Layered(4);
        using var peft = model.ApplyLora(rank: 2, targets: new[] { "first" });
        var html = Html(peft);
        var text = html.Value;
        text.ShouldContain("64 trainable of 266 parameters");
        text.ShouldContain("0 … 3 (4 ×)");
        text.ShouldContain("default: LORA, 16 trainable");
        text.ShouldContain("Linear [2 × 4]");
        // The node of the run counts one layer, and its parent all of them.
        html.Descendants("details").Single(node => node.Element("summary")!.Value.StartsWith("layers", StringComparison.Ordinal)).Element("summary")!.Value.ShouldEndWith("192");
        html.Descendants().Count(each => (string?)each.Attribute("class") == "accent" && each.Value.Contains("LORA", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public void Layers_that_differ_stay_apart()
    {
        using var model = new Layered(3);
        using var peft = model.ApplyLora(rank: 2, targets: new[] { "layers.1.first" });
        var text = Html(peft).Value;
        text.ShouldNotContain("×)");
        text.ShouldContain("16 trainable");
    }

    [Fact]
    public void A_model_whose_adapters_were_unloaded_or_that_has_none_is_shown_too()
    {
        using var model = Sequential(("only", Linear(4, 4)));
        using var peft = new PeftModel(model);
        Html(peft).Value.ShouldContain("0 trainable of 20 parameters");
        peft.Add("default", new LoraOptions { Rank = 2, TargetModules = "all-linear" });
        peft.Unload();
        Html(peft).Value.ShouldContain("0 trainable of 20 parameters");
    }

    [Fact]
    public void Options_show_what_differs_from_the_defaults_and_fold_the_rest()
    {
        var html = Html(new LoraOptions { Rank = 4, TargetModules = new[] { "<q_proj>" }, RankPattern = new Dictionary<string, int> { ["v_proj"] = 2 } });
        var changed = html.Elements("table").Single().Value;
        changed.ShouldContain("Rank48");
        changed.ShouldContain("[<q_proj>]");
        changed.ShouldContain("v_proj");
        changed.ShouldNotContain("Dropout");
        html.Element("details")!.Value.ShouldContain("Dropout");
        Html(new LoraOptions()).Value.ShouldContain("all defaults");
        Html(new TrainingOptions { MaxSteps = 7 }).Element("table")!.Value.ShouldContain("MaxSteps7—");
    }

    [Fact]
    public void A_result_shows_its_numbers_and_a_curve_through_every_loss()
    {
        var html = Html(Result([3, 2, 1]));
        html.Value.ShouldContain("3 → 1");
        html.Value.ShouldContain("loss 0.5, accuracy 0.75");
        html.Value.ShouldContain("peak memorystart 300 MiB, training 3.0 GiB");
        var raw = html.Descendants("path").Single(path => (string?)path.Attribute("class") == "raw").Attribute("d")!.Value;
        var heights = raw.Split('M', 'L').Skip(1).Select(point => double.Parse(point.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)).ToArray();
        heights.Length.ShouldBe(3);
        (heights[1] - heights[0]).ShouldBe(heights[2] - heights[1], 0.02);
        heights[0].ShouldBeLessThan(heights[2]);
        html.Descendants("circle").Count().ShouldBe(1);
    }

    [Fact]
    public void Losses_that_are_not_finite_are_gaps_and_long_curves_keep_their_peaks()
    {
        var gap = Html(Result([3, double.NaN, 1, 1])).Descendants("path").First().Attribute("d")!.Value;
        gap.Count(letter => letter == 'M').ShouldBe(2);
        Html(Result([double.NaN])).Descendants("circle").Count().ShouldBe(1);   // of the evaluation

        var losses = Enumerable.Range(0, 10_000).Select(i => i == 5_001 ? 100.0 : 1 + i % 2).ToArray();
        var path = Html(Result(losses)).Descendants("path").First().Attribute("d")!.Value;
        path.Split('L').Length.ShouldBeInRange(100, 401);
        path.Split('M', 'L').Skip(1).Min(point => double.Parse(point.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)).ShouldBeLessThan(30);
    }

    [Fact]
    public void An_evaluation_shows_its_metrics_and_texts_escaped()
    {
        var html = Html(Evaluation);
        html.Value.ShouldContain("accuracy0.75");
        html.Descendants("b").ShouldBeEmpty();
        html.Value.ShouldContain("<b>bold</b>");
    }

    [Fact]
    public void A_dataset_shows_its_first_rows()
    {
        using var inputs = arange(40).reshape(5, 8);
        using var labels = arange(5);
        var text = Html(TrainingDataset.From(inputs, labels)).Value;
        text.ShouldContain("tensor dataset: 5 rows");
        text.ShouldContain("8 9 10 11 12 13 14 15 [1, 8]");
        text.ShouldNotContain("24 25");
        Html(TrainingDataset.From(0, _ => throw new InvalidOperationException(), "none")).Value.ShouldContain("none: 0 rows");
    }

    [Fact]
    public void Two_texts_are_compared_word_by_word()
    {
        var html = Html(new TextComparison("the cat <sat> here", "the dog <sat> there") { AfterTitle = "trained" });
        html.Descendants("del").Select(each => each.Value.Trim()).ShouldBe(["cat", "here"]);
        html.Descendants("ins").Select(each => each.Value.Trim()).ShouldBe(["dog", "there"]);
        html.Descendants("td").Select(cell => cell.Value).ShouldBe(["the cat <sat> here", "the dog <sat> there"]);
        html.Value.ShouldContain("trained");
        Html(new TextComparison("\u0001 \ud800", "")).Value.ShouldContain('\uFFFD');
        Html(new TextComparison(null!, null!) { BeforeTitle = null! });
    }

    [Fact]
    public void A_curve_follows_a_run_and_calls_no_more_often_than_its_interval()
    {
        var time = new ManualTime();
        var curve = new TrainingCurve { Time = time, Interval = TimeSpan.FromSeconds(1) };
        Html(curve).Value.ShouldBeEmpty();
        var shown = new List<int>();
        curve.Changed = current => shown.Add(current.Losses.Count);
        for (var step = 1; step <= 10; step++)
        {
            curve.Report(new(step, 10, 0, 1.0 / step, 1, 1e-3, 8, TimeSpan.Zero, step < 5 ? null : Evaluation));
            time.Now += TimeSpan.FromSeconds(0.4);
        }
        shown.ShouldBe([1, 4, 7, 10]);
        curve.Evaluations.ShouldBe([Evaluation]);
        var html = Html(curve);
        html.Value.ShouldContain("step 10 of 10, loss 0.1");
        html.Descendants("svg").Count().ShouldBe(1);
        Should.Throw<ArgumentNullException>(() => curve.Report(null!));
    }

    // As .NET Interactive does it: by names, with types that are not public.
    private static XElement Html(object value)
    {
        var attribute = value.GetType().GetCustomAttributes(inherit: true).Single(each => each.GetType().Name == "TypeFormatterSourceAttribute");
        var source = Activator.CreateInstance((Type)attribute.GetType().GetProperty("FormatterSourceType")!.GetValue(attribute)!)!;
        var formatter = ((IEnumerable<object>)source.GetType().GetMethod("CreateTypeFormatters")!.Invoke(source, null)!).Single();
        formatter.GetType().GetProperty("MimeType")!.GetValue(formatter).ShouldBe("text/html");
        using var writer = new StringWriter();
        formatter.GetType().GetMethod("Format")!.Invoke(formatter, [value, writer]).ShouldBe(true);
        formatter.GetType().GetMethod("Format")!.Invoke(formatter, ["something else", writer]).ShouldBe(false);
        var html = XElement.Parse(writer.ToString(), LoadOptions.PreserveWhitespace);
        html.Element("style")!.Remove();
        return html;
    }

    private sealed class Layered : Module<Tensor, Tensor>
    {
        private readonly TorchSharp.Modules.ModuleList<Module<Tensor, Tensor>> layers;
        private readonly TorchSharp.Modules.Linear head = Linear(4, 2);

        public Layered(int count) : base(nameof(Layered))
        {
            layers = ModuleList(Enumerable.Range(0, count).Select(_ => Block()).ToArray());
            RegisterComponents();
        }

        public override Tensor forward(Tensor input) => head.call(layers.Aggregate(input, (x, layer) => layer.call(x)));
    }

    private static Module<Tensor, Tensor> Block() => Sequential(("first", Linear(4, 4)), ("second", Linear(4, 4)), ("norm", LayerNorm(4)));

    private static TrainingResult Result(IReadOnlyList<double> losses) => new()
    {
        StopReason = StopReason.Completed, Steps = losses.Count, SkippedSteps = 0, Losses = losses, Evaluations = [Evaluation], Best = Evaluation, BestCheckpoint = null, LastCheckpoint = null,
        Memory = new(300L << 20, 3L << 30, null, null), Elapsed = TimeSpan.FromSeconds(2), Tokens = 100, TokensPerSecond = 50,
    };

    private sealed class ManualTime : TimeProvider
    {
        public TimeSpan Now { get; set; } = TimeSpan.FromSeconds(100);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Now.Ticks;
    }
}
