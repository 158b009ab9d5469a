using System.Runtime.InteropServices;
using System.Security.Cryptography;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Hashes of the tokens of rows, however they are padded.</summary>
internal static class RowHash
{
    /// <summary>The hash of each row of a dataset.</summary>
    public static long[] Of(TrainingDataset data) => [.. Enumerable.Range(0, data.Count).Select(row =>
    {
        using var batch = data.GetBatch([row]);
        return Of(batch, 1)[0];
    })];

    /// <summary>The hash of each row of a batch, over all of the row's texts.</summary>
    public static long[] Of(Batch batch, int rows)
    {
        using var scope = NewDisposeScope();
        var tokens = Enumerable.Range(0, rows).Select(_ => new List<long>()).ToArray();
        Add(batch.InputIds, batch.AttentionMask, batch.Extra.GetValueOrDefault("completion_mask"), tokens);
        return [.. tokens.Select(each => BitConverter.ToInt64(SHA256.HashData(MemoryMarshal.AsBytes(CollectionsMarshal.AsSpan(each)))))];
    }

    // A row of the dataset may be several rows of a tensor, such as a pair.
    private static void Add(Tensor ids, Tensor? attention, Tensor? completions, List<long>[] tokens)
    {
        var (count, width) = (ids.size(0), (int)ids.size(1));
        if (count % tokens.Length != 0) return;   // reported where the values are computed
        var (values, attended, completed) = (Values(ids), Values(attention), Values(completions));
        for (var row = 0; row < count; row++)
        {
            var into = tokens[row % tokens.Length];
            for (int i = row * width, end = row * width + width; i < end; i++)
            {
                if (attended?[i] == 0) continue;
                into.Add(values![i]);
                into.Add(completed?[i] ?? 1);
            }
            into.Add(-1);   // the end of a text
        }
    }

    private static long[]? Values(Tensor? tensor) => tensor?.to_type(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
}
