namespace Peft;

/// <summary>Tokenized rows, each of some sequences of values: token ids, labels, or the parts of a pair.</summary>
internal abstract class TokenRows
{
    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>The sequences of a row.</summary>
    public abstract long[][] this[int row] { get; }

    /// <summary>The lengths of the sequences of a row, without reading them.</summary>
    public abstract IReadOnlyList<int> LengthsOf(int row);
}
