namespace Peft;

/// <summary>What was found while rows were tokenized.</summary>
/// <param name="TruncatedRows">Number of truncated rows.</param>
/// <param name="DroppedRows">Number of dropped rows.</param>
/// <param name="Warnings">Warnings, without the name of the dataset.</param>
internal sealed record TokenizedFacts(int TruncatedRows, int DroppedRows, IReadOnlyList<string> Warnings)
{
    /// <summary>The classes of the rows, in the order of the model's outputs.</summary>
    public IReadOnlyList<string> Labels { get; init; } = [];

    /// <summary>Name of the problem type of a classification.</summary>
    public string? Problem { get; init; }

    /// <summary>Number of words without a token.</summary>
    public int LostWords { get; init; }
}
