using static TorchSharp.torch;

namespace Peft;

/// <summary>A dataset with the reference's log-probabilities of its rows.</summary>
/// <param name="data">The rows.</param>
/// <param name="hashes">Their hashes when the values were computed.</param>
/// <param name="values">The values of all rows, by their names in a batch.</param>
internal sealed class ReferencedDataset(TrainingDataset data, long[] hashes, IReadOnlyDictionary<string, float[]> values) : TrainingDataset
{
    public override int Count => hashes.Length;

    public override string Name => data.Name;

    public override IReadOnlyList<string> Warnings => data.Warnings;

    public override IReadOnlyList<DatasetMetric> Metrics => data.Metrics;

    public override IMeasurement? Measure() => data.Measure();

    public override int LengthOf(int row) => data.LengthOf(row);

    public override IEnumerable<string> Errors(nn.Module model) => data.Errors(model);

    public override Batch GetBatch(IReadOnlyList<int> rows)
    {
        RequireRows(rows, Count);
        var batch = data.GetBatch(rows);
        var now = RowHash.Of(batch, rows.Count);
        for (var i = 0; i < rows.Count; i++)
        {
            if (now[i] == hashes[rows[i]]) continue;
            batch.Dispose();
            throw new DatasetException($"Row {rows[i]} of {Name} (counted from 0) is not the row whose log-probabilities under the reference were computed. "
                + "The dataset changed, or forms a row anew for each batch: compute the reference again, or let it run in training.");
        }
        var extra = batch.Extra.ToDictionary(pair => pair.Key, pair => pair.Value);
        foreach (var (name, all) in values) extra[name] = tensor(rows.Select(row => all[row]).ToArray());
        return new() { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Labels = batch.Labels, PackedLengths = batch.PackedLengths, Extra = extra, Weight = batch.Weight, Tokens = batch.Tokens };
    }
}
