using System.Runtime.InteropServices;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;

namespace Peft.Tokenizers;

/// <summary>A tokenizer in training: the given components, and the files that they form with the trained model.</summary>
internal sealed class TrainedDescription
{
    /// <summary>The tokenizer's name in error messages.</summary>
    public const string Source = "the trained tokenizer";

    private static readonly JsonSerializerOptions Readable = new() { WriteIndented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly JsonObject? normalizer, preTokenizer, postProcessor, decoder;
    private readonly IReadOnlyList<string> specialTokens;
    private readonly SpecialTokenRoles roles;
    private readonly int? maxLength;

    public TrainedDescription(TokenizerParts parts, IReadOnlyList<string> specialTokens, SpecialTokenRoles roles, int? maxLength, ResourceLimits limits)
    {
        (this.specialTokens, this.roles, this.maxLength, Limits) = (specialTokens, roles, maxLength, limits);
        normalizer = Parse(parts.Normalizer, nameof(TokenizerParts.Normalizer));
        preTokenizer = Parse(parts.PreTokenizer, nameof(TokenizerParts.PreTokenizer));
        postProcessor = Parse(parts.PostProcessor, nameof(TokenizerParts.PostProcessor));
        decoder = Parse(parts.Decoder, nameof(TokenizerParts.Decoder));
        if (postProcessor is not null) FillIds(postProcessor);
    }

    /// <summary>Limits of the tokenizer.</summary>
    public ResourceLimits Limits { get; }

    /// <summary>The distinct words of texts, in the order of their first occurrence.</summary>
    public IReadOnlyList<WordCount> CountWords(IEnumerable<string> texts, CancellationToken cancellationToken)
    {
        var reading = new TokenizerReading(Limits);
        using var document = JsonSerializer.SerializeToDocument(new JsonObject { ["normalizer"] = normalizer?.DeepClone(), ["pre_tokenizer"] = preTokenizer?.DeepClone() });
        var root = new JsonPart(document.RootElement, Source, Failure);
        var normalize = NormalizerReader.ReadOptional(root["normalizer"], reading);
        var split = PreTokenizerReader.ReadOptional(root["pre_tokenizer"], reading);
        var counts = new Dictionary<string, long>();
        foreach (var given in texts)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var text = Utf16.WellFormed(given ?? throw new ArgumentException("A text is null.", nameof(texts)));
            var pieces = new PreTokenizedText(text, new(Limits, text.Length));
            if (normalize is not null) pieces.Normalize(normalize.Normalize);
            split?.PreTokenize(pieces);
            foreach (var piece in pieces.Pieces.Where(piece => piece.Text.Text.Length > 0))
                CollectionsMarshal.GetValueRefOrAddDefault(counts, piece.Text.Text, out _)++;
        }
        return [.. counts.Select(entry => new WordCount(entry.Key, entry.Value))];
    }

    /// <summary>The tokenizer with its trained model, and its files.</summary>
    public TokenizerFiles With(JsonObject model)
    {
        var main = new JsonObject
        {
            ["version"] = "1.0",
            ["truncation"] = null,
            ["padding"] = null,
            ["added_tokens"] = new JsonArray([.. specialTokens.Select((token, id) => TokenizerWriter.Describe(new AddedToken(token) { Special = true }, id))]),
            ["normalizer"] = normalizer?.DeepClone(),
            ["pre_tokenizer"] = preTokenizer?.DeepClone(),
            ["post_processor"] = postProcessor?.DeepClone(),
            ["decoder"] = decoder?.DeepClone(),
            ["model"] = model,
        };
        var config = new JsonObject { ["tokenizer_class"] = "PreTrainedTokenizerFast", ["clean_up_tokenization_spaces"] = false };
        foreach (var (role, token) in roles.Named()) config[role] = token;
        if (maxLength is not null) config["model_max_length"] = maxLength;
        var contents = new Dictionary<string, byte[]>
        {
            [TokenizerWriter.Main] = JsonSerializer.SerializeToUtf8Bytes(main, Readable),
            [TokenizerWriter.Config] = JsonSerializer.SerializeToUtf8Bytes(config, Readable),
        };
        using var mainRead = StrictJson.Document(contents[TokenizerWriter.Main], Source, Failure);
        using var configRead = StrictJson.Document(contents[TokenizerWriter.Config], TokenizerWriter.Config, Failure);
        var settings = TokenizerSettings.Read(new JsonPart(configRead.RootElement, TokenizerWriter.Config, Failure), null);
        return TokenizerFiles.From(mainRead.RootElement, Source, settings, Limits) with { Contents = contents };
    }

    // Special tokens have the first ids, which are therefore known before the model.
    private void FillIds(JsonObject part)
    {
        if (part["processors"] is JsonArray parts)
        {
            foreach (var inner in parts.OfType<JsonObject>()) FillIds(inner);
        }
        if (part["special_tokens"] is not JsonObject tokens) return;
        foreach (var (name, entry) in tokens)
        {
            var names = (entry?["tokens"] as JsonArray)?.Select(token => token?.ToString() ?? "") ?? [name];
            entry!["ids"] = new JsonArray([.. names.Select(token => (JsonNode)IdOf(token))]);
        }

        int IdOf(string token) => specialTokens.ToList().IndexOf(token) is >= 0 and var id ? id
            : throw new TokenizerException($"The post-processor adds \"{token}\", which is not in {nameof(TokenizerTrainer.SpecialTokens)}: add it there, or change {nameof(TokenizerParts)}.{nameof(TokenizerParts.PostProcessor)}.");
    }

    private static JsonObject? Parse(string? json, string name)
        => json is null ? null : StrictJson.Object(Encoding.UTF8.GetBytes(json), $"{nameof(TokenizerParts)}.{name}", Failure);

    private static TokenizerException Failure(string message, Exception? inner) => new(message, inner);
}
