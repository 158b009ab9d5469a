using System.Text.Json.Nodes;

namespace Peft.Saving.TestHost;

/// <summary>Threads that tokenize the same datasets into one cache, which other processes use too, and check what they get.</summary>
internal static class SharedTokens
{
    /// <param name="folder">The folder of the cache.</param>
    /// <param name="tokenizer">The folder of the tokenizer.</param>
    /// <param name="count">Number of datasets. Each thread says when it has one.</param>
    public static void Run(string folder, string tokenizer, int count)
    {
        var own = Tokenizer.FromPretrained(tokenizer);
        var threads = Enumerable.Range(0, 2).Select(_ => new Thread(() =>
        {
            for (var number = 0; number < count; number++)
            {
                if (!Rows(number, own, new TokenCache(folder)).SequenceEqual(Rows(number, own, cache: null))) throw new InvalidOperationException($"Dataset {number} differs.");
                Console.WriteLine(number);
            }
        })).ToList();
        foreach (var thread in threads) thread.Start();
        foreach (var thread in threads) thread.Join();
    }

    private static long[] Rows(int number, Tokenizer tokenizer, TokenCache? cache)
    {
        var texts = Enumerable.Range(0, 200).Select(i => new JsonObject { ["text"] = string.Concat(Enumerable.Repeat($"Once upon a time {number} {i}. ", 1 + i % 7)) });
        var dataset = SftDataset.From(Dataset.Of(texts), tokenizer, cache: cache);
        using var batch = dataset.GetBatch([.. Enumerable.Range(0, dataset.Count)]);
        return [.. batch.InputIds.data<long>(), .. batch.Labels!.data<long>()];
    }
}
