using System.Text.Json;
using System.Text.Json.Serialization;

namespace Peft.Tokenizers.Tests;

/// <summary>What Hugging Face's tokenizers gave for the tokenizers under Data/tokenizers.</summary>
internal static class Expected
{
    private static readonly Dictionary<string, (Lazy<Tokenizer> Tokenizer, ExpectedFile File)> Loaded = new[]
    {
        "gpt2-bytelevel-bpe", "roberta-bytelevel-bpe", "llama3-qwen-bpe", "bert-wordpiece", "t5-unigram", "stories260K",
    }.ToDictionary(kind => kind, kind => (new Lazy<Tokenizer>(() => Peft.Tokenizer.FromPretrained(Folder(kind))), JsonSerializer.Deserialize<ExpectedFile>(File.ReadAllText(Path.Combine(Folder(kind), "expected.json")))!));

    public static TheoryData<string> Kinds => [.. Loaded.Keys];

    public static TheoryData<string, int> Strings => Rows(file => file.Strings.Count);

    public static TheoryData<string, int> Pairs => Rows(file => file.Pairs.Count);

    public static string Folder(string kind) => Path.Combine(AppContext.BaseDirectory, "Data", "tokenizers", kind);

    public static Tokenizer Tokenizer(string kind) => Loaded[kind].Tokenizer.Value;

    public static ExpectedFile FileOf(string kind) => Loaded[kind].File;

    private static TheoryData<string, int> Rows(Func<ExpectedFile, int> count)
    {
        var rows = new TheoryData<string, int>();
        foreach (var (kind, (_, file)) in Loaded)
        {
            for (var i = 0; i < count(file); i++)
                rows.Add(kind, i);
        }
        return rows;
    }
}

internal sealed record ExpectedFile
{
    [JsonPropertyName("strings")] public IReadOnlyList<ExpectedString> Strings { get; init; } = [];
    [JsonPropertyName("pairs")] public IReadOnlyList<ExpectedPair> Pairs { get; init; } = [];
    [JsonPropertyName("tokens")] public IReadOnlyList<ExpectedString> Tokens { get; init; } = [];
    [JsonPropertyName("published")] public ExpectedString? Published { get; init; }
}

internal sealed record ExpectedString(
    [property: JsonPropertyName("text")] string Text,
    [property: JsonPropertyName("ids")] int[] Ids,
    [property: JsonPropertyName("ids_without_special")] int[] IdsWithoutSpecial,
    [property: JsonPropertyName("offsets_without_special")] int[][] Offsets,
    [property: JsonPropertyName("decoded")] string Decoded);

internal sealed record ExpectedPair(
    [property: JsonPropertyName("a")] string First,
    [property: JsonPropertyName("b")] string Second,
    [property: JsonPropertyName("ids")] int[] Ids,
    [property: JsonPropertyName("type_ids")] int[] TypeIds);
