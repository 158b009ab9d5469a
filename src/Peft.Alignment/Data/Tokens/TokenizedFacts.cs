namespace Peft;

/// <summary>What was found while rows were tokenized.</summary>
internal sealed record TokenizedFacts(int TruncatedRows, int DroppedRows, IReadOnlyList<string> Warnings);
