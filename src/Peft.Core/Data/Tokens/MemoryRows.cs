namespace Peft;

/// <summary>Tokenized rows in memory.</summary>
internal sealed class MemoryRows : TokenRows
{
    private readonly List<long[][]> rows = [];

    public override int Count => rows.Count;

    public override long[][] this[int row] => rows[row];

    public override IReadOnlyList<int> LengthsOf(int row) => [.. rows[row].Select(each => each.Length)];

    public void Add(long[][] row) => rows.Add(row);
}
