using System.Text.Json;

namespace Peft.Models;

/// <summary>A tokenizer's files, read and checked.</summary>
internal sealed record TokenizerFiles(TokenizerPipeline Pipeline, AddedVocabulary Added, TokenizerSettings Settings, string Source)
{
    // tokenizer.json of the largest vocabularies has 35 MB; what is far larger is no tokenizer.
    const long LargestFile = 1L << 30;

    public static TokenizerFiles Read(string file)
    {
        using var main = Parse(file);
        return From(main.RootElement, file, Beside(file, TokenizerSettings.Read));
    }

    /// <summary>A tokenizer of the form of <c>tokenizer.json</c>.</summary>
    public static TokenizerFiles From(JsonElement main, string file, TokenizerSettings settings)
    {
        var root = new JsonPart(main, file);
        var pipeline = new TokenizerPipeline(
            NormalizerReader.ReadOptional(root["normalizer"]),
            PreTokenizerReader.ReadOptional(root["pre_tokenizer"]),
            ModelReader.Read(root["model"]),
            PostProcessorReader.ReadOptional(root["post_processor"]),
            DecoderReader.ReadOptional(root["decoder"]));
        var added = new AddedVocabulary(pipeline.Model, pipeline.Normalizer);
        if (!root["added_tokens"].IsNull)
        {
            // Their ids in the file are only informative: like the reference, the model's own id counts, or the next free one in order.
            added = added.With(root["added_tokens"].Items().Select(token => TokenizerSettings.Token(token, absentNormalized: true)));
        }
        // What the other files name and tokenizer.json does not is added behind, as transformers does.
        return new(pipeline, added.With(settings.Tokens.Where(token => !added.Contains(token.Content))), settings, Path.GetFullPath(file));
    }

    /// <summary>Reads something from <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> where they lie beside a file.</summary>
    public static T Beside<T>(string file, Func<JsonPart?, JsonPart?, T> read)
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(file))!;
        using var config = ParseOptional(Path.Combine(folder, "tokenizer_config.json"));
        using var map = ParseOptional(Path.Combine(folder, "special_tokens_map.json"));
        return read(config is null ? null : new(config.RootElement, "tokenizer_config.json"), map is null ? null : new(map.RootElement, "special_tokens_map.json"));
    }

    /// <summary>The tokens of <c>added_tokens.json</c>, where older folders keep those behind the model's, in the order of their ids.</summary>
    public static IReadOnlyList<AddedToken> AddedBeside(string file)
    {
        using var tokens = ParseOptional(Path.Combine(Path.GetDirectoryName(Path.GetFullPath(file))!, "added_tokens.json"));
        return tokens is null ? [] : [.. new JsonPart(tokens.RootElement, "added_tokens.json").Properties().OrderBy(entry => entry.Value.AsInt()).Select(entry => new AddedToken(entry.Name))];
    }

    static JsonDocument? ParseOptional(string file) => File.Exists(file) ? Parse(file) : null;

    static JsonDocument Parse(string file)
    {
        try
        {
            if (new FileInfo(file).Length > LargestFile)
                throw new TokenizerException($"{file} has more than {LargestFile >> 20} MB: it is not a tokenizer's file.");
            using var stream = File.OpenRead(file);
            return JsonDocument.Parse(stream);
        }
        catch (JsonException exception)
        {
            throw new TokenizerException($"{file} is not valid JSON, perhaps truncated: {exception.Message}", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new TokenizerException($"{file} cannot be read: {exception.Message}", exception);
        }
    }
}
