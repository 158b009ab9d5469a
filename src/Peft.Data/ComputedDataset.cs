namespace Peft.Data;

/// <summary>Rows that a function enumerates anew each time.</summary>
internal sealed class ComputedDataset(string name, Func<IEnumerable<DatasetRow>> rows) : Dataset
{
    public override string Name => name;

    public override IEnumerator<DatasetRow> GetEnumerator() => rows().GetEnumerator();
}
