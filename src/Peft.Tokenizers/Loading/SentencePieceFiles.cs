using System.Text.Json;
using System.Text.Json.Nodes;

namespace Peft.Tokenizers;

/// <summary>Reads a SentencePiece model and creates the same tokenizer as transformers, with the special tokens and flags of <c>tokenizer_config.json</c>.</summary>
internal static class SentencePieceFiles
{
    private const int ExtraIds = 100;

    /// <summary>The file names of SentencePiece models in model folders.</summary>
    public static IReadOnlyList<string> Names { get; } = ["tokenizer.model", "spiece.model"];

    // The special tokens that the tokenizer classes of transformers add by default.
    private static readonly Dictionary<string, (bool Begin, bool End)> Classes = new()
    {
        ["Llama"] = (true, false), ["CodeLlama"] = (true, false), ["Gemma"] = (true, false), ["T5"] = (false, true), ["MT5"] = (false, true),
    };

    public static TokenizerFiles Read(string file, ResourceLimits limits)
    {
        var proto = new SentencePieceProto(TokenizerFiles.Content(file, limits), file, new(limits));
        var (settings, kind, flags) = TokenizerFiles.ReadConfig(file, limits, (config, map) => (TokenizerSettings.Read(config, map), Kind(config, file), Flags.Read(config)));
        return From(proto, file, limits, settings, kind, flags, TokenizerFiles.ReadAddedTokens(file, limits));
    }

    /// <summary>Creates a tokenizer from the contents of a model and of its <c>tokenizer_config.json</c>.</summary>
    public static TokenizerFiles From(byte[] model, string source, ResourceLimits limits, JsonObject config)
    {
        var part = new JsonPart(JsonSerializer.SerializeToElement(config), TokenizerWriter.Config, (message, inner) => new TokenizerException(message, inner));
        return From(new SentencePieceProto(model, source, new(limits)), source, limits, TokenizerSettings.Read(part, null), Kind(part, source), Flags.Read(part), []);
    }

    private static TokenizerFiles From(SentencePieceProto proto, string file, ResourceLimits limits, TokenizerSettings settings, string? kind, Flags flags, IReadOnlyList<AddedToken> addedTokens)
    {
        var normalizer = new SentencePieceNormalizer(proto, prefixEverywhere: flags.Legacy);
        var model = new SentencePieceModel(proto, file);
        var named = settings.Named.ToDictionary();
        foreach (var (role, (text, id)) in proto.Roles)
        {
            if (id >= 0 && id < proto.Pieces.Count && proto.Pieces[(int)id].Text == text) named.TryAdd(role, text);
        }
        var added = new AddedVocabulary(model, normalizer, limits);
        added = added.With(named.Values.Where(token => model.Vocabulary.IdOf(token) is not null && settings.Tokens.All(known => known.Content != token)).Select(token => new AddedToken(token) { Special = true }));
        // T5's sentinel tokens follow the model's ids, in descending order.
        if (kind is "T5" or "MT5" && !flags.ListsTokens)
            added = added.With(Enumerable.Range(0, flags.ExtraIds).Select(i => new AddedToken($"<extra_id_{flags.ExtraIds - 1 - i}>") { Special = true }));
        added = added.With(addedTokens.Concat(settings.Tokens).Where(token => !added.Contains(token.Content)));
        return new(new(normalizer, null, model, Template(), new SentencePieceDecoder(proto), limits), added, settings with { Named = named }, Path.GetFullPath(file));

        TemplatePostProcessor Template()
        {
            var usual = kind is not null ? Classes[kind] : Path.GetFileName(file) == "spiece.model" ? (false, true) : (true, false);
            var begin = Token("bos_token", flags.Begin ?? usual.Item1);
            var end = Token("eos_token", flags.End ?? usual.Item2);
            TemplatePiece[] single = [.. begin, new(0, 0, []), .. end];
            // In T5, both texts have the same token type.
            var second = kind is "T5" or "MT5" ? 0 : 1;
            return new(single, [.. single, .. begin.Concat([new(1, 0, [])]).Concat(end).Select(piece => piece with { TypeId = second })]);
        }

        TemplatePiece[] Token(string role, bool wanted)
        {
            if (!wanted || !named.TryGetValue(role, out var text)) return [];
            return [new(null, 0, [(added.IdOf(text) ?? model.Vocabulary.IdOf(text)!.Value, text)])];
        }
    }

    private static string? Kind(JsonPart? config, string file)
    {
        if (config?["tokenizer_class"] is not { IsNull: false } part || part.AsString() is "PreTrainedTokenizerFast" or "PreTrainedTokenizer") return null;
        var name = part.AsString();
        var kind = (name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4] : name).Replace("Tokenizer", "", StringComparison.Ordinal);
        return Classes.ContainsKey(kind) ? kind : throw new TokenizerException(
            $"{file} belongs to a {name}, whose ids or special tokens differ from the supported classes. Supported are {string.Join(", ", Classes.Keys.Select(known => known + "Tokenizer"))}. Convert it to a tokenizer.json with transformers and use that.");
    }

    private sealed record Flags(bool Legacy, bool? Begin, bool? End, int ExtraIds, bool ListsTokens)
    {
        public static Flags Read(JsonPart? config) => config is not { } part ? new(true, null, null, SentencePieceFiles.ExtraIds, false) : new(
            part["legacy"].AsBool(absent: true),
            part["add_bos_token"] is { IsNull: false } begin ? begin.AsBool() : null,
            part["add_eos_token"] is { IsNull: false } end ? end.AsBool() : null,
            part["extra_ids"].AsInt(SentencePieceFiles.ExtraIds),
            !part["added_tokens_decoder"].IsNull);
    }
}
