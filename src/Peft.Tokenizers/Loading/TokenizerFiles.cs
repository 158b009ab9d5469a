using System.Text.Json;

namespace Peft.Tokenizers;

/// <summary>The parsed files of a tokenizer.</summary>
internal sealed record TokenizerFiles(TokenizerPipeline Pipeline, AddedVocabulary Added, TokenizerSettings Settings, string Source)
{
    /// <summary>The contents of the files by name if they are not on disk, as for a trained tokenizer.</summary>
    public IReadOnlyDictionary<string, byte[]>? Contents { get; init; }

    /// <summary>The chat template if it is not in a file.</summary>
    public string? Template { get; init; }

    public static TokenizerFiles Read(string file, ResourceLimits limits)
    {
        using var main = Parse(file, limits);
        return From(main.RootElement, file, ReadConfig(file, limits, TokenizerSettings.Read), limits);
    }

    /// <summary>Creates a tokenizer from the contents of a <c>tokenizer.json</c>.</summary>
    public static TokenizerFiles From(JsonElement main, string file, TokenizerSettings settings, ResourceLimits limits)
    {
        var root = new JsonPart(main, file, Failure);
        var reading = new TokenizerReading(limits);
        var pipeline = new TokenizerPipeline(
            NormalizerReader.ReadOptional(root["normalizer"], reading),
            PreTokenizerReader.ReadOptional(root["pre_tokenizer"], reading),
            ModelReader.Read(root["model"], reading),
            PostProcessorReader.ReadOptional(root["post_processor"], reading),
            DecoderReader.ReadOptional(root["decoder"], reading),
            limits);
        var added = new AddedVocabulary(pipeline.Model, pipeline.Normalizer, limits);
        if (!root["added_tokens"].IsNull)
        {
            // The ids in the file are ignored, as in the reference implementation: a token gets its id in the model's vocabulary, or else the next free one.
            added = added.With(root["added_tokens"].Items().Select(token => TokenizerSettings.Token(token, absentNormalized: true)));
        }
        // As in transformers, tokens that only the other files list are appended.
        return new(pipeline, added.With(settings.Tokens.Where(token => !added.Contains(token.Content))), settings, Path.GetFullPath(file));
    }

    /// <summary>Reads from <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> next to a file, if they exist.</summary>
    public static T ReadConfig<T>(string file, ResourceLimits limits, Func<JsonPart?, JsonPart?, T> read)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        using var config = ParseOptional(Path.Combine(folder, "tokenizer_config.json"), limits);
        using var map = ParseOptional(Path.Combine(folder, "special_tokens_map.json"), limits);
        return read(config is null ? null : new(config.RootElement, "tokenizer_config.json", Failure), map is null ? null : new(map.RootElement, "special_tokens_map.json", Failure));
    }

    /// <summary>The tokens of <c>added_tokens.json</c>, which follow those of the model in older folders, in the order of their ids.</summary>
    public static IReadOnlyList<AddedToken> ReadAddedTokens(string file, ResourceLimits limits)
    {
        using var tokens = ParseOptional(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "added_tokens.json"), limits);
        return tokens is null ? [] : [.. new JsonPart(tokens.RootElement, "added_tokens.json", Failure).Properties().OrderBy(entry => entry.Value.AsInt()).Select(entry => new AddedToken(entry.Name))];
    }

    private static JsonDocument? ParseOptional(string file, ResourceLimits limits) => SmallFile.Exists(file) ? Parse(file, limits) : null;

    private static JsonDocument Parse(string file, ResourceLimits limits) => StrictJson.Document(Content(file, limits), file, Failure);

    /// <summary>The bytes of a file.</summary>
    public static byte[] Content(string file, ResourceLimits limits)
        => SmallFile.Read(file, limits.MaxTokenizerBytes, limits.Remedy(nameof(ResourceLimits.MaxTokenizerBytes), TokenizerReading.WhereLimitsAre), Failure);

    private static TokenizerException Failure(string message, Exception? inner) => new(message, inner);
}
