using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Tokenizers.Gguf;

/// <summary>The metadata of a GGUF file that describes a tokenizer: byte-level BPE (<c>gpt2</c>) or SentencePiece (<c>llama</c>).</summary>
internal static class GgufVocabulary
{
    private const int Normal = 1, Unknown = 2, Control = 3, User = 4, Unused = 5, Byte = 6;

    /// <summary>The key-value pairs.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="size">Number of rows of the model's embedding. Rows beyond the vocabulary become unused tokens.</param>
    /// <exception cref="TokenizerException">llama.cpp does not support the tokenizer.</exception>
    public static IReadOnlyList<(string Key, object Value)> Of(Tokenizer tokenizer, int size)
    {
        var folder = Directory.CreateTempSubdirectory("peft-gguf-").FullName;
        try
        {
            tokenizer.Save(folder);
            var json = Path.Combine(folder, TokenizerWriter.Main);
            var proto = SentencePieceFiles.Names.Select(name => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
            var pairs = File.Exists(json) ? OfJson(JsonNode.Parse(File.ReadAllBytes(json))!.AsObject(), tokenizer)
                : proto is not null ? OfProto(new(File.ReadAllBytes(proto), proto, new(ResourceLimits.Default)), tokenizer)
                : throw Unsupported("it has neither a tokenizer.json nor a SentencePiece model");
            return [.. Fill(pairs, size), .. Roles(tokenizer)];
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static IReadOnlyList<(string, object)> OfJson(JsonObject json, Tokenizer tokenizer)
    {
        var model = json["model"]!.AsObject();
        if (model["type"]?.GetValue<string>() is not ("BPE" or null)) throw Unsupported($"its model is {model["type"]}");
        var tokens = new string[model["vocab"]!.AsObject().Max(each => each.Value!.GetValue<int>()) + 1];
        foreach (var (token, id) in model["vocab"]!.AsObject()) tokens[id!.GetValue<int>()] = token;
        var added = json["added_tokens"]?.AsArray().Select(each => each!.AsObject()).ToDictionary(each => each["id"]!.GetValue<int>()) ?? [];
        if (added.Count > 0) Array.Resize(ref tokens, Math.Max(tokens.Length, added.Keys.Max() + 1));
        var types = new int[tokens.Length];
        for (var id = 0; id < tokens.Length; id++)
        {
            if (added.TryGetValue(id, out var own)) (tokens[id], types[id]) = (own["content"]!.GetValue<string>(), own["special"]?.GetValue<bool>() == true ? Control : User);
            else (tokens[id], types[id]) = (tokens[id] ?? $"[PAD{id}]", tokens[id] is null ? Unused : Normal);
        }
        (string Left, string Right)[] merges = [.. model["merges"]!.AsArray().Select(Merge)];
        if (model["byte_fallback"]?.GetValue<bool>() != true)
            return [("tokenizer.ggml.model", "gpt2"), ("tokenizer.ggml.pre", Splitting(json)), ("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.token_type", types), ("tokenizer.ggml.merges", merges.Select(each => $"{each.Left} {each.Right}").ToArray())];

        // SentencePiece's BPE merges the pair whose token has the highest score, so earlier merges get higher scores.
        var ranks = new Dictionary<string, int>(StringComparer.Ordinal);
        for (var i = 0; i < merges.Length; i++) ranks.TryAdd(merges[i].Left + merges[i].Right, i);
        var scores = new float[tokens.Length];
        for (var id = 0; id < tokens.Length; id++)
        {
            if (types[id] == Normal && IsByte(tokens[id])) types[id] = Byte;
            if (types[id] == Normal) scores[id] = ranks.TryGetValue(tokens[id], out var rank) ? -rank : -merges.Length - id;
            if (id == tokenizer.UnknownId) types[id] = Unknown;
        }
        return Pieces(tokens, scores, types, tokenizer);
    }

    private static IReadOnlyList<(string, object)> OfProto(SentencePieceProto proto, Tokenizer tokenizer)
    {
        if (proto.ModelType != 2) throw Unsupported("its SentencePiece model is not a BPE model");
        string[] tokens = [.. proto.Pieces.Select(piece => piece.Text)];
        return Pieces(tokens, [.. proto.Pieces.Select(piece => piece.Score)], [.. proto.Pieces.Select((piece, id) => piece.Kind switch
        {
            PieceKind.Unknown => Unknown,
            PieceKind.Control => Control,
            PieceKind.UserDefined => User,
            PieceKind.Unused => Unused,
            PieceKind.Byte => Byte,
            _ => Normal,
        })], tokenizer);
    }

    private static IReadOnlyList<(string, object)> Pieces(string[] tokens, float[] scores, int[] types, Tokenizer tokenizer)
    {
        var first = tokenizer.Encode("a", addSpecialTokens: false);
        var prepends = first.Count > 0 && tokenizer.IdToToken(first[0])?.StartsWith(SentencePieceProto.Space) == true;
        return
        [
            ("tokenizer.ggml.model", "llama"), ("tokenizer.ggml.pre", "default"), ("tokenizer.ggml.tokens", tokens), ("tokenizer.ggml.scores", scores), ("tokenizer.ggml.token_type", types),
            ("tokenizer.ggml.add_space_prefix", prepends),
        ];
    }

    private static IEnumerable<(string, object)> Roles(Tokenizer tokenizer)
    {
        foreach (var (name, id) in new[] { ("bos", tokenizer.BeginOfSequenceId), ("eos", tokenizer.EndOfSequenceId), ("unknown", tokenizer.UnknownId), ("padding", tokenizer.PadId) })
            if (id is { } token) yield return ($"tokenizer.ggml.{name}_token_id", (uint)token);
        var encoded = tokenizer.Encode("a");
        yield return ("tokenizer.ggml.add_bos_token", encoded.Count > 0 && encoded[0] == tokenizer.BeginOfSequenceId);
        yield return ("tokenizer.ggml.add_eos_token", encoded.Count > 0 && encoded[^1] == tokenizer.EndOfSequenceId);
        if (tokenizer.ChatTemplate?.Sources is [var template, ..]) yield return ("tokenizer.chat_template", template);
    }

    // The padding rows of an embedding get tokens that do not occur in texts.
    private static IEnumerable<(string, object)> Fill(IReadOnlyList<(string Key, object Value)> pairs, int size)
    {
        var count = ((string[])pairs.Single(each => each.Key == "tokenizer.ggml.tokens").Value).Length;
        if (count > size) throw new TokenizerException($"The tokenizer has {count} tokens, but the model has embeddings for {size}: resize the model's embeddings first (ResizeTokenEmbeddings).");
        foreach (var (key, value) in pairs)
        {
            yield return (key, value switch
            {
                string[] tokens when key.EndsWith(".tokens", StringComparison.Ordinal) => (object)tokens.Concat(Enumerable.Range(count, size - count).Select(id => $"[PAD{id}]")).ToArray(),
                int[] types => types.Concat(Enumerable.Repeat(Unused, size - count)).ToArray(),
                float[] scores => scores.Concat(Enumerable.Repeat(-1e4f, size - count)).ToArray(),
                _ => value,
            });
        }
    }

    private static string Splitting(JsonObject json)
    {
        var parts = json["pre_tokenizer"] is JsonObject { } single ? single["pretokenizers"] is JsonArray several ? [.. several.Select(each => each!.AsObject())] : new[] { single } : [];
        if (parts is [.. var before, { } last] && last["type"]?.GetValue<string>() == "ByteLevel")
        {
            var patterns = before.Select(Pattern).ToArray();
            var isGpt2 = last["use_regex"]?.GetValue<bool>() != false;
            var composes = Composes(json["normalizer"]);
            // llama.cpp does not normalize. Where two names split alike, this library reads NFC from one of them.
            if (GgufTokenizer.Splits.Where(each => isGpt2 == each.Value is null or GgufTokenizer.Digit && (each.Value is null ? patterns.Length == 0 : patterns is [var pattern] && pattern == each.Value))
                .Select(each => each.Key).OrderBy(name => GgufTokenizer.Composes(name) != composes).FirstOrDefault() is { } found) return found;
        }
        throw Unsupported($"llama.cpp has no name for its pre-tokenizer: {json["pre_tokenizer"]?.ToJsonString() ?? "none"}");
    }

    // True for NFC.
    private static bool Composes(JsonNode? normalizer) => normalizer is not null && (normalizer["type"]?.GetValue<string>() switch
    {
        "NFC" => true,
        "Sequence" when normalizer["normalizers"] is JsonArray several => several.Aggregate(false, (composes, each) => Composes(each) || composes),   // each is checked
        _ => throw Unsupported($"llama.cpp has no normalizer: {normalizer.ToJsonString()}"),
    });

    private static string? Pattern(JsonObject part) => part["type"]?.GetValue<string>() switch
    {
        "Split" => part["pattern"]?["Regex"]?.GetValue<string>(),
        "Digits" when part["individual_digits"]?.GetValue<bool>() == true => GgufTokenizer.Digit,
        _ => null,
    };

    private static (string, string) Merge(JsonNode? merge)
        => merge is JsonArray pair ? (pair[0]!.GetValue<string>(), pair[1]!.GetValue<string>()) : merge!.GetValue<string>().Split(' ') is [var left, var right] ? (left, right) : throw Unsupported($"the merge {merge} has more than one space");

    private static bool IsByte(string token) => token.Length == 6 && token.StartsWith("<0x", StringComparison.Ordinal) && token[5] == '>';

    private static TokenizerException Unsupported(string why) => new($"The tokenizer cannot be written to a GGUF file: {why}. Export without it (tokenizer: null) to use the file with a separate tokenizer.");
}
