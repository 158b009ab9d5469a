namespace Peft;

/// <summary>
/// Evaluation metrics, with the same results as scikit-learn, seqeval and SQuAD's official script. The datasets of tasks compute their
/// metrics in every evaluation (<see cref="TrainingDataset.Metrics"/>).
/// </summary>
public static partial class Metrics
{
    /// <summary>Computes the fraction of correct predictions.</summary>
    /// <param name="predicted">One predicted class per row.</param>
    /// <param name="expected">The correct classes.</param>
    /// <exception cref="ArgumentException">The row counts differ, or there are no rows.</exception>
    public static double Accuracy<T>(IReadOnlyList<T> predicted, IReadOnlyList<T> expected)
    {
        Require(predicted, expected);
        return predicted.Zip(expected).Count(pair => EqualityComparer<T>.Default.Equals(pair.First, pair.Second)) / (double)expected.Count;
    }

    /// <summary>Computes F1 of single-label classification (<c>sklearn.metrics.f1_score</c>).</summary>
    /// <inheritdoc cref="Score(IReadOnlyList{int}, IReadOnlyList{int}, FAverage)"/>
    public static double F1(IReadOnlyList<int> predicted, IReadOnlyList<int> expected, FAverage average) => Score(predicted, expected, average).F1;

    /// <summary>
    /// Computes precision, recall and F1 of single-label classification (<c>sklearn.metrics.precision_recall_fscore_support</c>), over the classes that occur on either
    /// side.
    /// </summary>
    /// <param name="predicted">One predicted class per row.</param>
    /// <param name="expected">The correct classes.</param>
    /// <param name="average">Averaging over classes.</param>
    /// <exception cref="ArgumentException">The row counts differ, there are no rows, or the average is binary and a class is neither 0 nor 1.</exception>
    public static FScore Score(IReadOnlyList<int> predicted, IReadOnlyList<int> expected, FAverage average)
    {
        Require(predicted, expected);
        var counts = new SortedDictionary<int, (long Right, long Predicted, long Expected)>();
        void Add(int label, long right, long found, long sought)
        {
            var (r, p, e) = counts.GetValueOrDefault(label);
            counts[label] = (r + right, p + found, e + sought);
        }
        for (var row = 0; row < expected.Count; row++)
        {
            Add(predicted[row], predicted[row] == expected[row] ? 1 : 0, 1, 0);
            Add(expected[row], 0, 0, 1);
        }
        if (average != FAverage.Binary) return FScore.Of([.. counts.Values], average);
        if (counts.Keys.FirstOrDefault(label => label is not (0 or 1), 0) is not 0 and var other)
            throw new ArgumentException($"{nameof(FAverage)}.{FAverage.Binary} is for the classes 0 and 1, but there is a class {other}: choose another average.", nameof(average));
        return FScore.Of([counts.GetValueOrDefault(1)], FAverage.Macro);
    }

    /// <summary>Computes precision, recall and F1 of multi-label classification, over all classes.</summary>
    /// <param name="predicted">For each row, one value per class: true if the class is predicted.</param>
    /// <param name="expected">The correct values.</param>
    /// <param name="average">Averaging over classes.</param>
    /// <exception cref="ArgumentException">The counts of rows or classes differ, there are no rows, or the average is binary.</exception>
    public static FScore Score(IReadOnlyList<IReadOnlyList<bool>> predicted, IReadOnlyList<IReadOnlyList<bool>> expected, FAverage average)
    {
        Require(predicted, expected);
        if (average == FAverage.Binary) throw new ArgumentException($"{nameof(FAverage)}.{FAverage.Binary} is for one class per row: choose another average.", nameof(average));
        var classes = expected[0]?.Count;
        if (predicted.Concat(expected).Any(row => row is null || row.Count != classes)) throw new ArgumentException("The rows have different numbers of classes.", nameof(predicted));
        return FScore.Of([.. Enumerable.Range(0, classes!.Value).Select(label => (
            predicted.Zip(expected).LongCount(pair => pair.First[label] && pair.Second[label]),
            predicted.LongCount(row => row[label]),
            expected.LongCount(row => row[label])))], average);
    }

    /// <summary>
    /// Computes the Matthews correlation coefficient for any number of classes, in [−1, 1]; 0 if all rows of either side have the same class (Gorodkin 2004, "Comparing two K-category
    /// assignments by a K-category correlation coefficient"; <c>sklearn.metrics.matthews_corrcoef</c>).
    /// </summary>
    /// <param name="predicted">One predicted class per row.</param>
    /// <param name="expected">The correct classes.</param>
    /// <exception cref="ArgumentException">The row counts differ, or there are no rows.</exception>
    public static double Matthews(IReadOnlyList<int> predicted, IReadOnlyList<int> expected)
    {
        Require(predicted, expected);
        double rows = expected.Count, right = predicted.Zip(expected).Count(pair => pair.First == pair.Second);
        var (found, sought) = (predicted.CountBy(label => label).ToDictionary(), expected.CountBy(label => label).ToDictionary());
        double Sum(Dictionary<int, int> counts, Dictionary<int, int> others) => counts.Sum(pair => (double)pair.Value * others.GetValueOrDefault(pair.Key));
        var spread = Math.Sqrt((rows * rows - Sum(found, found)) * (rows * rows - Sum(sought, sought)));
        return spread > 0 ? (right * rows - Sum(found, sought)) / spread : 0;
    }

    private static void Require<T>(IReadOnlyList<T> predicted, IReadOnlyList<T> expected)
    {
        ArgumentNullException.ThrowIfNull(predicted);
        ArgumentNullException.ThrowIfNull(expected);
        if (predicted.Count != expected.Count) throw new ArgumentException($"There are {predicted.Count} predictions for {expected.Count} rows.", nameof(predicted));
        if (expected.Count == 0) throw new ArgumentException("There are no rows to measure.", nameof(expected));
    }
}
