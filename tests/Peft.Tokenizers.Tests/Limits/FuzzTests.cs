using System.Text.Json.Nodes;
using Peft.Tokenizers.Tests.Chat;

namespace Peft.Tokenizers.Tests.Limits;

/// <summary>Every parser, on thousands of changed inputs: no exception but the library's own, not more than 5 seconds, not more than a gigabyte (<see cref="Cost"/>).</summary>
public sealed class FuzzTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("peft-fuzz-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Chat_templates()
    {
        var mutations = new Mutations(5);
        string[] sources = [.. ChatData.Read("statements.json").AsArray().Select(each => (string)each!["source"]!), .. Directory.GetFiles(Path.Combine(ChatData.Folder, "templates")).Order().SelectMany(path => Enumerable.Repeat(File.ReadAllText(path), 15))];
        var variables = ChatData.Read("variables.json").AsObject().ToDictionary(each => each.Key, each => (object?)each.Value);
        foreach (var (name, token) in ChatData.Tokens) variables[name] = token;
        var conversations = ChatData.Read("conversations.json").AsArray().Select(each => each!["messages"]!.AsArray()).ToArray();
        var options = new ChatTemplateOptions { Variables = variables, AddGenerationPrompt = true };
        var failed = Cost.Refused(4000, () =>
        {
            var text = mutations.Pick(sources);
            for (var n = mutations.Next(3); n >= 0; n--) text = mutations.Text(text, mutations.Pick(sources));
            return (text, () => ChatTemplate.Parse(text).Render(mutations.Pick(conversations), options));
        });
        failed.ShouldBeInRange(1000, 3900);
    }

    [Theory, MemberData(nameof(Expected.Kinds), MemberType = typeof(Expected))]
    public void Tokenizer_files(string kind)
    {
        var mutations = new Mutations(kind.Length);
        var good = Directory.GetFiles(Expected.Folder(kind), "*.json").Where(path => Path.GetFileName(path) != "expected.json").ToDictionary(path => Path.GetFileName(path), File.ReadAllText);
        // Of thousands of tokens one is like the other: without them changes meet the rest.
        var small = JsonNode.Parse(good["tokenizer.json"])!;
        if (small["model"]!["merges"] is JsonArray merges) while (merges.Count > 0) merges.RemoveAt(merges.Count - 1);
        if (small["model"]!["vocab"] is JsonObject vocabulary) foreach (var name in vocabulary.Select(each => each.Key).Skip(300).ToList()) vocabulary.Remove(name);
        if (small["model"]!["vocab"] is JsonArray pieces) while (pieces.Count > 300) pieces.RemoveAt(pieces.Count - 1);
        good["tokenizer.json"] = small.ToJsonString();
        var failed = Cost.Refused(250, () =>
        {
            var file = mutations.Next(3) > 0 ? "tokenizer.json" : mutations.Pick([.. good.Keys]);
            var bad = mutations.Json(good[file]);
            foreach (var (name, text) in good) File.WriteAllText(Path.Combine(folder, name), name == file ? bad : text);
            return (bad, () => Use(Tokenizer.FromPretrained(folder), mutations.Hard()));
        });
        failed.ShouldBeInRange(50, 249);
    }

    [Theory]
    [InlineData("unigram")]
    [InlineData("unigram-bytes")]
    [InlineData("bpe")]
    [InlineData("bpe-bytes")]
    public void SentencePiece_models(string name)
    {
        var mutations = new Mutations(name.Length);
        var good = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Data", "sentencepiece", name + ".model"));
        var file = Path.Combine(folder, "tokenizer.model");
        var failed = Cost.Refused(300, () =>
        {
            var bad = mutations.Bytes(good);
            File.WriteAllBytes(file, bad);
            return (Convert.ToBase64String(bad), () => Use(Tokenizer.FromFile(file), mutations.Hard()));
        });
        failed.ShouldBeInRange(50, 299);
    }

    // The expressions of published tokenizers, and some that name everything else.
    [Fact]
    public void Regular_expressions_of_tokenizers()
    {
        var mutations = new Mutations(9);
        string[] sources =
        [
            @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
            @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
            @"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t)?|\p{Han}+|\x{41}|[a-z&&]",
            @"(?:a|b)*+(?>c?)(?=d)(?!e)(?<=f)(?<!g)(h){2,3}?\b\A\z[[x]y]\R\h\W(?i-m)k{,3}",
        ];
        var failed = Cost.Refused(1500, () =>
        {
            var pattern = mutations.Text(mutations.Text(mutations.Pick(sources), mutations.Pick(sources)), mutations.Pick(sources));
            return (pattern, () => new RegexPattern(pattern, ResourceLimits.Default).FindMatches(Utf16.WellFormed(mutations.Hard()), new(ResourceLimits.Default, 1000)));
        });
        failed.ShouldBeInRange(100, 1450);
    }

    [Fact]
    public void Tool_calls()
    {
        var mutations = new Mutations(13);
        const string call = """[{"name": "weather", "arguments": {"city": "Paris", "days": [1, 2]}, "id": "abcdefghi"}, {"name": "time", "arguments": {}}]""";
        Cost.Refused(3000, () =>
        {
            var bad = mutations.Json(call);
            return (bad, () => ToolCallJson.Read(bad, ["arguments", "parameters"], list: true));
        });
    }

    private static void Use(Tokenizer tokenizer, string text)
    {
        tokenizer.Decode(tokenizer.Encode(text));
        tokenizer.Decode(tokenizer.Encode(text, "and " + text, new() { MaxLength = 50 }).Ids, skipSpecialTokens: false);
        _ = (tokenizer.EndOfSequenceId, tokenizer.PadId, tokenizer.VocabularySize, tokenizer.ChatTemplate);
    }
}
