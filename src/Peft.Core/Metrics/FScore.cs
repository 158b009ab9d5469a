namespace Peft;

/// <summary>How scores of several classes become one.</summary>
public enum FAverage
{
    /// <summary>The mean over classes, each counting alike.</summary>
    Macro,

    /// <summary>All decisions counted together; for one class for each text that is the accuracy.</summary>
    Micro,

    /// <summary>The mean over classes, each counting as often as it is right.</summary>
    Weighted,

    /// <summary>The score of class 1 alone, where there are classes 0 and 1.</summary>
    Binary,
}

/// <summary>Precision, recall and their harmonic mean, each 0 where nothing was found or nothing is to be found.</summary>
/// <param name="Precision">The part of what was predicted that is right.</param>
/// <param name="Recall">The part of what is right that was predicted.</param>
/// <param name="F1">2·right ÷ (predicted + to be found).</param>
public sealed record FScore(double Precision, double Recall, double F1)
{
    /// <summary>The score of counts.</summary>
    /// <param name="right">Predicted and right.</param>
    /// <param name="predicted">Predicted, right or wrong.</param>
    /// <param name="expected">To be found.</param>
    internal static FScore Of(double right, double predicted, double expected)
        => new(Share(right, predicted), Share(right, expected), Share(2 * right, predicted + expected));

    /// <summary>The score of classes, as scikit-learn averages them.</summary>
    internal static FScore Of(IReadOnlyList<(long Right, long Predicted, long Expected)> classes, FAverage average)
    {
        if (!Enum.IsDefined(average)) throw new ArgumentOutOfRangeException(nameof(average), average, "That is none of the ways to average.");
        if (average == FAverage.Micro) return Of(classes.Sum(each => each.Right), classes.Sum(each => each.Predicted), classes.Sum(each => each.Expected));
        var weights = classes.Select(each => average == FAverage.Weighted ? (double)each.Expected : 1).ToList();
        var scores = classes.Select(each => Of(each.Right, each.Predicted, each.Expected)).ToList();
        double Mean(Func<FScore, double> of) => Share(scores.Zip(weights, (score, weight) => of(score) * weight).Sum(), weights.Sum());
        return new(Mean(score => score.Precision), Mean(score => score.Recall), Mean(score => score.F1));
    }

    private static double Share(double part, double whole) => whole > 0 ? part / whole : 0;
}
