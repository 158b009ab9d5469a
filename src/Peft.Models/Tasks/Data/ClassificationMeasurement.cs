using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Compares the logits of a classifier <c>[batch, classes]</c> with the labels of rows.</summary>
/// <param name="labels">The classes.</param>
/// <param name="classesOf">The class ids of a row.</param>
/// <param name="valueOf">The target value of a row, for regression.</param>
internal sealed class ClassificationMeasurement(LabelSet labels, Func<int, int[]> classesOf, Func<int, double> valueOf) : IMeasurement
{
    private readonly List<float[]> predicted = [];
    private readonly List<int> rows = [];

    public static IReadOnlyList<DatasetMetric> MetricsOf(LabelSet labels) => labels.Problem switch
    {
        ProblemType.MultiLabel => [new("f1_micro"), new("f1_macro"), new("accuracy")],
        ProblemType.Regression => [new("pearson"), new("spearman"), new("mse", GreaterIsBetter: false)],
        _ => [new("accuracy"), new("f1_macro"), new("f1_weighted"), new("matthews"), .. labels.Count == 2 ? new DatasetMetric[] { new("f1") } : []],
    };

    public void Add(IReadOnlyList<int> rows, Tensor output)
    {
        this.rows.AddRange(rows);
        predicted.AddRange(output.ToRows());
    }

    public IReadOnlyDictionary<string, double> Result() => labels.Problem switch
    {
        ProblemType.MultiLabel => MultiLabel(),
        ProblemType.Regression => Regression(),
        _ => SingleLabel(),
    };

    private Dictionary<string, double> SingleLabel()
    {
        int[] found = [.. predicted.Select(Largest)], expected = [.. rows.Select(row => classesOf(row)[0])];
        var result = new Dictionary<string, double>
        {
            ["accuracy"] = Metrics.Accuracy(found, expected),
            ["f1_macro"] = Metrics.F1(found, expected, FAverage.Macro),
            ["f1_weighted"] = Metrics.F1(found, expected, FAverage.Weighted),
            ["matthews"] = Metrics.Matthews(found, expected),
        };
        if (labels.Count == 2) result["f1"] = Metrics.F1(found, expected, FAverage.Binary);
        return result;
    }

    private Dictionary<string, double> MultiLabel()
    {
        bool[][] found = [.. predicted.Select(row => row.Select(logit => logit >= 0).ToArray())];   // a probability of at least 0.5
        bool[][] expected = [.. rows.Select(row => Enumerable.Range(0, labels.Count).Select(label => classesOf(row).Contains(label)).ToArray())];
        return new()
        {
            ["f1_micro"] = Metrics.Score(found, expected, FAverage.Micro).F1,
            ["f1_macro"] = Metrics.Score(found, expected, FAverage.Macro).F1,
            ["accuracy"] = found.Zip(expected).Count(pair => pair.First.SequenceEqual(pair.Second)) / (double)expected.Length,
        };
    }

    private Dictionary<string, double> Regression()
    {
        double[] found = [.. predicted.Select(row => (double)row[0])], expected = [.. rows.Select(valueOf)];
        return new() { ["pearson"] = Metrics.Pearson(found, expected), ["spearman"] = Metrics.Spearman(found, expected), ["mse"] = Metrics.MeanSquaredError(found, expected) };
    }

    internal static int Largest(float[] scores)
    {
        var best = 0;
        for (var i = 1; i < scores.Length; i++)
            if (scores[i] > scores[best]) best = i;
        return best;
    }
}
