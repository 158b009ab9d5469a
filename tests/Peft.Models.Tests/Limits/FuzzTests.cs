using System.Text.Json.Nodes;
using Peft.Models.Tests.Chat;
using Peft.Models.Tests.Tokenizers;

namespace Peft.Models.Tests.Limits;

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
        var failed = Run(4000, mutations, () =>
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
        var failed = Run(250, mutations, () =>
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
        var failed = Run(300, mutations, () =>
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
        var failed = Run(1500, mutations, () =>
        {
            var pattern = mutations.Text(mutations.Text(mutations.Pick(sources), mutations.Pick(sources)), mutations.Pick(sources));
            return (pattern, () => new RegexPattern(pattern, ResourceLimits.Default).FindMatches(Utf16.WellFormed(mutations.Hard()), new(ResourceLimits.Default, 1000)));
        });
        failed.ShouldBeInRange(100, 1450);
    }

    [Fact]
    public void Model_configurations_and_generation_settings()
    {
        var mutations = new Mutations(3);
        var models = ConfigFields.ModelTypes.Select(type => ConfigFields.Base(type).ToString()).ToArray();
        var failed = Run(3000, mutations, () =>
        {
            var bad = mutations.Json(mutations.Pick(models));
            return (bad, () =>
            {
                var config = ModelConfig.Parse(bad);
                new ModelRegistry().Describe(config);
                _ = (config.LabelCount, config.Labels.Count, config.PadTokenId, config.Ids("eos_token_id").Count);
            }
            );
        });
        failed.ShouldBeInRange(300, 2900);

        const string generation = """{"max_new_tokens": 5, "max_length": 20, "min_length": 0, "do_sample": true, "temperature": 0.7, "top_k": 50, "top_p": 0.9, "eos_token_id": [1, 2], "bad_words_ids": [[1, 2]], "sequence_bias": [[[1], 0.5]], "suppress_tokens": [3], "forced_eos_token_id": 2, "exponential_decay_length_penalty": [5, 1.1], "num_beams": 1, "early_stopping": "never", "stop_strings": ["a"], "no_repeat_ngram_size": 2, "guidance_scale": 1.0}""";
        failed = Run(3000, mutations, () =>
        {
            var bad = mutations.Json(generation);
            return (bad, () => GenerationFile.Read(ModelConfig.Parse(bad)));
        });
        failed.ShouldBeInRange(300, 2900);
    }

    [Fact]
    public void Listings_of_the_hub_and_of_the_cache()
    {
        var mutations = new Mutations(7);
        var hub = new Tests.Hub.FakeHub();
        var answer = hub.Listing().ToJsonString();
        var kept = RepoListing.Parse("org/tiny", System.Text.Encoding.UTF8.GetBytes(answer)).Keep()!;
        RepoListing.ParseKept(Tests.Hub.FakeHub.Commit, System.Text.Encoding.UTF8.GetBytes(kept)).ShouldNotBeNull();
        var failed = Run(3000, mutations, () =>
        {
            var bad = mutations.Json(answer);
            return (bad, () => RepoListing.Parse("org/tiny", System.Text.Encoding.UTF8.GetBytes(bad)).Keep());
        });
        failed.ShouldBeInRange(300, 2900);
        Run(3000, mutations, () =>
        {
            var bad = mutations.Json(kept);
            return (bad, () => RepoListing.ParseKept(Tests.Hub.FakeHub.Commit, System.Text.Encoding.UTF8.GetBytes(bad)));
        });
    }

    [Fact]
    public void Tool_calls_and_conversations()
    {
        var mutations = new Mutations(13);
        const string call = """[{"name": "weather", "arguments": {"city": "Paris", "days": [1, 2]}, "id": "abcdefghi"}, {"name": "time", "arguments": {}}]""";
        Run(3000, mutations, () =>
        {
            var bad = mutations.Json(call);
            return (bad, () => ToolCallJson.Read(bad, ["arguments", "parameters"], list: true));
        });

        var tokenizer = Tokenizer.FromPretrained(Reference.Stories);
        tokenizer.ChatTemplate = ChatTemplate.Parse(ChatData.Template("chatml"));
        const string conversation = """{"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}], "tools": null, "documents": [{"text": "a"}]}""";
        var file = Path.Combine(folder, "chats.jsonl");
        var failed = Run(1000, mutations, () =>
        {
            var bad = mutations.Json(conversation);
            File.WriteAllText(file, bad);
            return (bad, () => ChatDataset.FromFile(file, tokenizer));
        });
        failed.ShouldBeInRange(100, 990);
    }

    private static int Run(int times, Mutations mutations, Func<(string Input, Action Use)> next)
    {
        var failed = 0;
        for (var i = 0; i < times; i++)
        {
            var (input, use) = next();
            if (Cost.Of(use, () => $"input {i}: {input}") is not null) failed++;
        }
        return failed;
    }

    private static void Use(Tokenizer tokenizer, string text)
    {
        tokenizer.Decode(tokenizer.Encode(text));
        tokenizer.Decode(tokenizer.Encode(text, "and " + text, new() { MaxLength = 50 }).Ids, skipSpecialTokens: false);
        _ = (tokenizer.EndOfSequenceId, tokenizer.PadId, tokenizer.VocabularySize, tokenizer.ChatTemplate);
    }
}
