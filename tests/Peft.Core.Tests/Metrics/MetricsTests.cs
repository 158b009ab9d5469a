using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Core.Tests.Metrics;

/// <summary>Values that scikit-learn 1.9, SciPy 1.17, seqeval 1.2 and SQuAD's script (as transformers 5.12 has it) computed: <c>Data/make_metrics.py</c>.</summary>
public class MetricsTests
{
    private const double Tolerance = 1e-12;

    private static readonly JsonObject Values = JsonNode.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Data", "metrics.json")))!.AsObject();

    private static JsonObject[] Cases(string kind)
    {
        JsonObject[] cases = [.. Values[kind]!.AsArray().Select(each => each!.AsObject())];
        cases.ShouldNotBeEmpty();
        return cases;
    }

    private static T Of<T>(JsonObject values, string name) => values[name].Deserialize<T>()!;

    private static void ShouldBe(FScore score, double[] expected)
    {
        score.Precision.ShouldBe(expected[0], Tolerance);
        score.Recall.ShouldBe(expected[1], Tolerance);
        score.F1.ShouldBe(expected[2], Tolerance);
    }

    [Fact]
    public void One_class_for_each_row_is_measured_as_scikit_learn_does()
    {
        foreach (var values in Cases("classes"))
        {
            int[] predicted = Of<int[]>(values, "predicted"), expected = Of<int[]>(values, "expected");
            Peft.Metrics.Accuracy(predicted, expected).ShouldBe(Of<double>(values, "accuracy"), Tolerance);
            Peft.Metrics.Matthews(predicted, expected).ShouldBe(Of<double>(values, "matthews"), Tolerance);
            foreach (var average in Enum.GetValues<FAverage>())
            {
                if (values[average.ToString().ToLowerInvariant()] is not { } scores) continue;
                ShouldBe(Peft.Metrics.Score(predicted, expected, average), scores.Deserialize<double[]>()!);
                Peft.Metrics.F1(predicted, expected, average).ShouldBe(scores[2]!.GetValue<double>(), Tolerance);
            }
        }
    }

    [Fact]
    public void Several_classes_for_each_row_are_measured_as_scikit_learn_does()
    {
        foreach (var values in Cases("several"))
        {
            static bool[][] Flags(int[][] rows) => [.. rows.Select(row => row.Select(each => each == 1).ToArray())];
            bool[][] predicted = Flags(Of<int[][]>(values, "predicted")), expected = Flags(Of<int[][]>(values, "expected"));
            foreach (var average in new[] { FAverage.Macro, FAverage.Micro, FAverage.Weighted })
                ShouldBe(Peft.Metrics.Score(predicted, expected, average), Of<double[]>(values, average.ToString().ToLowerInvariant()));
        }
    }

    [Fact]
    public void Numbers_are_measured_as_SciPy_does()
    {
        foreach (var values in Cases("numbers"))
        {
            double[] predicted = Of<double[]>(values, "predicted"), expected = Of<double[]>(values, "expected");
            Peft.Metrics.Pearson(predicted, expected).ShouldBe(Of<double>(values, "pearson"), Tolerance);
            Peft.Metrics.Spearman(predicted, expected).ShouldBe(Of<double>(values, "spearman"), Tolerance);
            Peft.Metrics.MeanSquaredError(predicted, expected).ShouldBe(Of<double>(values, "mse"), Tolerance);
        }
        Peft.Metrics.Pearson([1, 1], [2, 3]).ShouldBe(double.NaN);
    }

    [Fact]
    public void Entities_are_found_and_measured_as_seqeval_does()
    {
        foreach (var values in Cases("entities"))
        {
            string[][] predicted = Of<string[][]>(values, "predicted"), expected = Of<string[][]>(values, "expected");
            expected.Select(tags => string.Join(' ', Entities.Of(tags).Select(span => $"{span.Type}:{span.Start}-{span.End}"))).ShouldBe(
                values["spans"]!.AsArray().Select(row => string.Join(' ', row!.AsArray().Select(span => $"{span![0]}:{span[1]}-{span[2]}"))));
            ShouldBe(Peft.Metrics.EntityScore(predicted, expected), Of<double[]>(values, "default"));
            if (values["strict"] is { } strict) ShouldBe(Peft.Metrics.EntityScore(predicted, expected, strict: true), strict.Deserialize<double[]>()!);
        }
    }

    [Fact]
    public void Answers_are_measured_as_SQuADs_script_does()
    {
        foreach (var values in Cases("answers"))
        {
            var (answer, expected) = (Of<string>(values, "answer"), Of<string[]>(values, "expected"));
            Peft.Metrics.ExactMatch(answer, expected).ShouldBe(Of<double>(values, "exact"), $"'{answer}'");
            Peft.Metrics.TokenF1(answer, expected).ShouldBe(Of<double>(values, "f1"), Tolerance, $"'{answer}'");
        }
        Peft.Metrics.ExactMatch("", []).ShouldBe(1);
    }

    [Fact]
    public void What_cannot_be_measured_is_refused()
    {
        Should.Throw<ArgumentException>(() => Peft.Metrics.Accuracy([1], [1, 2])).Message.ShouldContain("1 predictions for 2 rows");
        Should.Throw<ArgumentException>(() => Peft.Metrics.Matthews([], [])).Message.ShouldContain("no rows");
        Should.Throw<ArgumentException>(() => Peft.Metrics.F1([0, 2], [0, 1], FAverage.Binary)).Message.ShouldContain("class 2");
        Should.Throw<ArgumentException>(() => Peft.Metrics.EntityScore([["O"]], [["O", "O"]])).Message.ShouldContain("Sequence 0 has 1 predicted tags, but 2 words");
        Should.Throw<ArgumentException>(() => Peft.Metrics.Score([[true]], [[true, false]], FAverage.Macro)).Message.ShouldContain("different numbers of classes");
    }
}
