using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;

namespace Peft;

/// <summary>
/// A folder that keeps tokenized datasets. A dataset whose rows, tokenizer, chat template and settings are the same as before is read from there instead of being tokenized again, and its tokens stay
/// on disk, so that it may be larger than memory.
/// </summary>
/// <param name="folder">The folder. It is created if necessary; nothing in it is deleted. Several processes may use it.</param>
public sealed class TokenCache(string folder)
{
    private const string DescriptionName = "dataset.json";

    /// <summary>The folder.</summary>
    public string Folder { get; } = string.IsNullOrWhiteSpace(folder) ? throw new ArgumentException("The folder must have a name.", nameof(folder)) : folder;

    /// <summary>Tokenized rows, with what was found about them: tokenized into memory, or into a cache unless they are there.</summary>
    /// <param name="cache">The cache; null for memory.</param>
    /// <param name="key">The key in the cache (<see cref="TokenizedContent"/>).</param>
    /// <param name="tokenize">Tokenizes all rows, and passes each on.</param>
    /// <exception cref="DatasetException">The stored rows are damaged.</exception>
    /// <exception cref="CheckpointException">The rows cannot be written.</exception>
    internal static (TokenRows Rows, TokenizedFacts Facts) Rows(TokenCache? cache, Func<string> key, Func<Action<long[][]>, TokenizedFacts> tokenize)
    {
        if (cache is not null) return cache.GetOrAdd(key(), tokenize);
        var memory = new MemoryRows();
        var facts = tokenize(memory.Add);
        return (memory, facts);
    }

    private (TokenRows Rows, TokenizedFacts Facts) GetOrAdd(string key, Func<Action<long[][]>, TokenizedFacts> tokenize)
    {
        var path = Path.Combine(Folder, key[..32]);
        FolderSave.Recover(path);
        if (!IsComplete(path))
        {
            // Beside the entry, since others may complete it at any moment, and nobody writes into it then.
            using var save = FolderSave.Begin(path, beside: true);
            Write(save.Staging, key, tokenize);
            // The first one stays: others may be reading it.
            if (!IsComplete(path)) save.Commit();
        }
        return (new StoredRows(path), Facts(path, key));
    }

    private static bool IsComplete(string path) => File.Exists(Path.Combine(path, DescriptionName));

    private static void Write(string folder, string key, Func<Action<long[][]>, TokenizedFacts> tokenize)
    {
        using var writer = new StoredRowsWriter(folder);
        var facts = tokenize(writer.Add);
        writer.Complete();
        File.WriteAllText(Path.Combine(folder, DescriptionName), new JsonObject
        {
            ["key"] = key,
            ["truncated_rows"] = facts.TruncatedRows,
            ["dropped_rows"] = facts.DroppedRows,
            ["warnings"] = Texts(facts.Warnings),
            ["labels"] = Texts(facts.Labels),
            ["problem"] = facts.Problem,
            ["lost_words"] = facts.LostWords,
        }.ToJsonString());
    }

    private static TokenizedFacts Facts(string path, string key)
    {
        try
        {
            var facts = JsonNode.Parse(File.ReadAllBytes(Path.Combine(path, DescriptionName)))!;
            if (facts["key"]!.GetValue<string>() == key)
                return new(facts["truncated_rows"]!.GetValue<int>(), facts["dropped_rows"]!.GetValue<int>(), Texts(facts["warnings"]!))
                {
                    Labels = Texts(facts["labels"]!),
                    Problem = facts["problem"]?.GetValue<string>(),
                    LostWords = facts["lost_words"]!.GetValue<int>(),
                };
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or NullReferenceException or FormatException or IOException)
        {
            throw Damaged(path, error);
        }
        throw Damaged(path, null);
    }

    private static JsonArray Texts(IEnumerable<string> texts) => [.. texts.Select(each => (JsonNode)each)];

    private static IReadOnlyList<string> Texts(JsonNode texts) => [.. texts.AsArray().Select(each => each!.GetValue<string>())];

    private static DatasetException Damaged(string path, Exception? error) => new($"{Path.Combine(path, DescriptionName)} is damaged: delete the folder {path}, and its rows are computed again.", error);
}
