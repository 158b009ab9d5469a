namespace Peft.Models;

internal static class ProblemTypes
{
    public static string ToField(this ProblemType problem) => problem switch
    {
        ProblemType.SingleLabel => "single_label_classification",
        ProblemType.MultiLabel => "multi_label_classification",
        ProblemType.Regression => "regression",
        _ => throw new ArgumentOutOfRangeException(nameof(problem), problem, "Unknown problem type."),
    };

    /// <summary>The type that a configuration names, or else the one that the number of classes implies. Unknown names are accepted here, because the loss rejects them.</summary>
    public static ProblemType Of(string? field, int classes) => field switch
    {
        "multi_label_classification" => ProblemType.MultiLabel,
        "regression" => ProblemType.Regression,
        null when classes == 1 => ProblemType.Regression,
        _ => ProblemType.SingleLabel,
    };
}
