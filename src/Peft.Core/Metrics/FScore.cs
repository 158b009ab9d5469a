namespace Peft;

/// <summary>Precision, recall and their harmonic mean; each is 0 if its denominator is 0.</summary>
/// <param name="Precision">Fraction of the predictions that are correct.</param>
/// <param name="Recall">Fraction of the expected items that were predicted.</param>
/// <param name="F1">2·correct ÷ (predicted + expected).</param>
public sealed record FScore(double Precision, double Recall, double F1)
{
    /// <summary>Computes the score from counts.</summary>
    /// <param name="correct">Number of correct predictions.</param>
    /// <param name="predicted">Number of all predictions.</param>
    /// <param name="expected">Number of expected items.</param>
    internal static FScore Of(double correct, double predicted, double expected)
        => new(Ratio(correct, predicted), Ratio(correct, expected), Ratio(2 * correct, predicted + expected));

    /// <summary>Averages the scores of classes as scikit-learn does.</summary>
    internal static FScore Of(IReadOnlyList<(long Right, long Predicted, long Expected)> classes, FAverage average)
    {
        if (!Enum.IsDefined(average)) throw new ArgumentOutOfRangeException(nameof(average), average, "Unknown average.");
        if (average == FAverage.Micro) return Of(classes.Sum(each => each.Right), classes.Sum(each => each.Predicted), classes.Sum(each => each.Expected));
        var weights = classes.Select(each => average == FAverage.Weighted ? (double)each.Expected : 1).ToList();
        var scores = classes.Select(each => Of(each.Right, each.Predicted, each.Expected)).ToList();
        double Mean(Func<FScore, double> of) => Ratio(scores.Zip(weights, (score, weight) => of(score) * weight).Sum(), weights.Sum());
        return new(Mean(score => score.Precision), Mean(score => score.Recall), Mean(score => score.F1));
    }

    private static double Ratio(double part, double total) => total > 0 ? part / total : 0;
}
