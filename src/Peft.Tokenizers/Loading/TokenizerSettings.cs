namespace Peft.Tokenizers;

/// <summary>The settings in <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c>.</summary>
internal sealed record TokenizerSettings
{
    private static readonly string[] Roles = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    /// <summary>Special tokens by role, such as <c>eos_token</c>.</summary>
    public required IReadOnlyDictionary<string, string> Named { get; init; }

    /// <summary>All tokens listed in the files.</summary>
    public required IReadOnlyList<AddedToken> Tokens { get; init; }

    /// <summary>True if decoding removes the spaces before punctuation.</summary>
    public required bool CleanUp { get; init; }

    /// <summary>The default padding side.</summary>
    public required Side PaddingSide { get; init; }

    /// <summary>The default truncation side.</summary>
    public required Side TruncationSide { get; init; }

    /// <summary>Maximum input length of the model in tokens; null for no limit.</summary>
    public required int? MaxLength { get; init; }

    public static TokenizerSettings Read(JsonPart? config, JsonPart? map)
    {
        var named = new Dictionary<string, string>();
        var tokens = new List<AddedToken>();
        if (config?["added_tokens_decoder"] is { IsNull: false } decoder)
            tokens.AddRange(decoder.Properties().OrderBy(entry => int.TryParse(entry.Name, out var id) ? id : throw entry.Value.Wrong("named by its id")).Select(entry => Token(entry.Value, absentNormalized: true)));
        foreach (var source in new[] { config, map }.OfType<JsonPart>())
        {
            foreach (var role in Roles.Where(role => !named.ContainsKey(role) && !source[role].IsNull))
                Name(role, SpecialToken(source[role]));
            if (source["additional_special_tokens"] is { IsNull: false } more)
                tokens.AddRange(more.Items().Select(SpecialToken));
        }
        return new()
        {
            Named = named,
            Tokens = tokens,
            CleanUp = config?["clean_up_tokenization_spaces"].AsBool(false) ?? false,
            PaddingSide = SideOf(config?["padding_side"]),
            TruncationSide = SideOf(config?["truncation_side"]),
            // "No limit" is stored as 1e30.
            MaxLength = config?["model_max_length"] is { IsNull: false } length && length.AsDouble() is > 0 and < int.MaxValue and var limit ? (int)limit : null,
        };

        void Name(string role, AddedToken token)
        {
            named[role] = token.Content;
            tokens.Add(token);
        }
    }

    /// <summary>Reads a token that is an object with properties.</summary>
    public static AddedToken Token(JsonPart part, bool absentNormalized) => new(part["content"].AsString())
    {
        SingleWord = part["single_word"].AsBool(false),
        StripLeft = part["lstrip"].AsBool(false),
        StripRight = part["rstrip"].AsBool(false),
        Normalized = part["normalized"].AsBool(absentNormalized),
        Special = part["special"].AsBool(false),
    };

    private static AddedToken SpecialToken(JsonPart part) => part.IsObject
        ? Token(part, absentNormalized: false) with { Special = true }
        : new(part.AsString()) { Special = true };

    private static Side SideOf(JsonPart? part) => part is { IsNull: false } side ? side.AsEnum<Side>() : Side.Right;
}
