using System.Security.Cryptography;
using System.Text;
using Peft.Checkpoints;
using Peft.Gguf;
using Peft.Hub;
using Peft.Tokenizers;
using Peft.Tokenizers.Gguf;

namespace Peft;

/// <summary>
/// A tokenizer in Hugging Face's <c>tokenizer.json</c> format: normalizer, pre-tokenizer, model, post-processor, decoder and added tokens.
/// It returns the same ids, offsets and text as Hugging Face's <c>tokenizers</c> and <c>transformers</c>. Thread-safe.
/// </summary>
/// <remarks>
/// The pipeline does not use Microsoft.ML.Tokenizers. Version 2.0.1 does not read <c>tokenizer.json</c>, and it is exact for only one of the common
/// models: of the reference's 75 test strings, it returns the correct ids of all for GPT-2 and of 66 for BERT; it does not support Llama 2 and T5 in
/// this format; and its offsets differ in texts with characters beyond U+FFFF. <c>truncation</c> and <c>padding</c> in the file are
/// ignored: as in transformers, they are options of each call (<see cref="EncodeOptions"/>).
/// </remarks>
public sealed class Tokenizer : ITokenizer
{
    private readonly TokenizerPipeline pipeline;
    private readonly TokenizerSettings settings;
    private readonly Lock adding = new();
    private readonly string source;
    private readonly IReadOnlyDictionary<string, byte[]>? contents;
    private readonly AddedVocabulary saved;
    private volatile AddedVocabulary added;
    private volatile Lazy<ChatTemplate?> chatTemplate;

    private Tokenizer(TokenizerFiles files, ResourceLimits limits)
    {
        (pipeline, saved, settings, source) = files;
        contents = files.Contents;
        added = saved;
        chatTemplate = new(() => files.Template is { } own ? new ChatTemplate(new Dictionary<string, string> { ["default"] = own }, settings.Named, limits) : contents is null ? ChatTemplateFiles.Find(Path.GetDirectoryName(source)!, limits) : null);
    }

    /// <summary>Creates a tokenizer from the result of training, before its files are saved.</summary>
    internal static Tokenizer FromTraining(TokenizerFiles files, ResourceLimits limits) => new(files, limits);

    /// <summary>
    /// Loads a pretrained model's <c>tokenizer.json</c>, or else SentencePiece's <c>tokenizer.model</c> or <c>spiece.model</c>, or else BERT's <c>vocab.txt</c>; with
    /// <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> if they exist. A GGUF file contains its tokenizer.
    /// </summary>
    /// <param name="nameOrPath">A local folder, a GGUF file, or the id of a model on the hub, of which only the tokenizer's files are downloaded. An existing folder takes precedence.</param>
    /// <param name="options">Revision, hub and limits; null for the defaults. Those of a model (<c>LoadOptions</c>) can be reused.</param>
    /// <exception cref="HubException">The files could not be downloaded.</exception>
    /// <exception cref="TokenizerException">A file is missing, damaged, or uses a component that is not supported.</exception>
    public static Tokenizer FromPretrained(string nameOrPath, PretrainedOptions? options = null)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(nameOrPath);
        if (GgufHeader.IsFile(nameOrPath)) return FromFile(nameOrPath, options?.Limits);
        var folder = ModelSource.Resolve(nameOrPath, options, ModelFiles.Tokenizer).Folder;
        var file = SentencePieceFiles.Names.Prepend("tokenizer.json").Append(WordPieceFiles.Name).Select(name => Path.Combine(folder, name)).FirstOrDefault(SmallFile.Exists)
            ?? throw new TokenizerException($"{Path.GetFullPath(folder)} has neither tokenizer.json nor {string.Join(" nor ", SentencePieceFiles.Names)} nor {WordPieceFiles.Name}. Pass the folder of a model that has one. transformers writes tokenizer.json when it saves a fast tokenizer.");
        return FromFile(file, options?.Limits);
    }

    /// <summary>Loads a <c>tokenizer.json</c>, a SentencePiece <c>.model</c> or a BERT <c>vocab.txt</c>, and the two other files next to it.</summary>
    /// <param name="file">The file.</param>
    /// <param name="limits">Limits for reading the files and for encoding texts; null for <see cref="ResourceLimits.Default"/>.</param>
    /// <exception cref="TokenizerException">The file is missing, damaged, exceeds a limit, or uses a component that is not supported.</exception>
    public static Tokenizer FromFile(string file, ResourceLimits? limits = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(file);
        FolderSave.Recover(Path.GetDirectoryName(Path.GetFullPath(file))!);
        limits ??= ResourceLimits.Default;
        return new(Path.GetExtension(file).ToLowerInvariant() switch
        {
            ".model" => SentencePieceFiles.Read(file, limits),
            ".txt" => WordPieceFiles.Read(file, limits),
            ".gguf" => GgufTokenizer.Read(file, limits),
            _ => TokenizerFiles.Read(file, limits),
        }, limits);
    }

    /// <summary>
    /// Saves the tokenizer's files: those from which it was read, or <c>tokenizer.json</c> and <c>tokenizer_config.json</c> if it was trained (<see cref="TokenizerTrainer"/>), plus the
    /// tokens that were added since. Crash-safe: at any time the folder contains either
    /// all old or all new files. Other files in the folder are kept.
    /// </summary>
    /// <param name="folder">The folder, which is created if necessary.</param>
    /// <exception cref="TokenizerException">The files from which it was read no longer exist.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A file could not be written.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var now = added;
        TokenizerWriter.Write(source, contents, folder, now == saved ? null : now);
    }

    /// <summary>A hash of the tokenizer's files, of the tokens that were added since, and of the chat template.</summary>
    /// <exception cref="TokenizerException">The files from which it was read no longer exist.</exception>
    public string Fingerprint()
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var folder = Directory.CreateTempSubdirectory("peft-tokenizer-").FullName;
        try
        {
            Save(folder);
            foreach (var file in Directory.GetFiles(folder).Order(StringComparer.Ordinal))
            {
                hash.AppendData(SHA256.HashData(Encoding.UTF8.GetBytes(Path.GetFileName(file))));
                hash.AppendData(SHA256.HashData(File.ReadAllBytes(file)));
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
        foreach (var template in ChatTemplate?.Sources ?? []) hash.AppendData(SHA256.HashData(Encoding.UTF8.GetBytes(template)));
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>Number of distinct tokens, added ones included.</summary>
    public int VocabularySize => pipeline.Model.Vocabulary.Count + added.NewTokens;

    /// <summary>Maximum input length of the model in tokens; null if the files have no limit. It is not applied automatically.</summary>
    public int? MaxLength => settings.MaxLength;

    /// <summary>The chat template that is stored with the tokenizer; null if there is none. It can be replaced.</summary>
    /// <exception cref="ChatTemplateException">The chat template of the files cannot be read.</exception>
    public ChatTemplate? ChatTemplate
    {
        get => chatTemplate.Value;
        set => chatTemplate = new(value);
    }

    /// <summary>The special tokens by role, such as <c>eos_token</c>.</summary>
    internal IReadOnlyDictionary<string, string> SpecialTokens => settings.Named;

    /// <inheritdoc/>
    public int? BeginOfSequenceId => IdOfRole("bos_token");

    /// <inheritdoc/>
    public int? EndOfSequenceId => IdOfRole("eos_token");

    /// <inheritdoc/>
    public int? PadId => IdOfRole("pad_token");

    /// <summary>Id of the unknown token; null if there is none.</summary>
    public int? UnknownId => IdOfRole("unk_token");

    /// <summary>Id of the token that separates two texts; null if there is none.</summary>
    public int? SeparatorId => IdOfRole("sep_token");

    /// <summary>Id of the classifier token, whose hidden state represents the whole text; null if there is none.</summary>
    public int? ClassifierId => IdOfRole("cls_token");

    /// <summary>Id of the mask token of masked language models; null if there is none.</summary>
    public int? MaskId => IdOfRole("mask_token");

    /// <summary>Id of a token; null if it is unknown.</summary>
    public int? TokenToId(string token) => added.IdOf(token) ?? pipeline.Model.Vocabulary.IdOf(token);

    /// <summary>The token with an id, as a string of the vocabulary; null if the id is unknown.</summary>
    public string? IdToToken(int id) => added.TokenOf(id) ?? (pipeline.Model.Vocabulary.TryGetToken(id, out var token) ? token : null);

    /// <summary>Adds tokens, which are matched in texts before the tokenizer's model runs. Resize the language model's embeddings accordingly.</summary>
    /// <param name="tokens">The tokens. Known tokens keep their ids; new ones get the next free ids in order.</param>
    /// <returns>The increase of <see cref="VocabularySize"/>.</returns>
    public int AddTokens(IEnumerable<AddedToken> tokens)
    {
        ArgumentNullException.ThrowIfNull(tokens);
        AddedToken[] all = [.. tokens];
        if (Array.Exists(all, token => token?.Content is null)) throw new ArgumentException("A token to add is null.", nameof(tokens));
        lock (adding)
        {
            var before = added.NewTokens;
            added = added.With(all);
            return added.NewTokens - before;
        }
    }

    /// <summary>Adds tokens with default options.</summary>
    /// <param name="tokens">The tokens.</param>
    /// <param name="special">True for special tokens, which decoding can skip.</param>
    /// <returns>The increase of <see cref="VocabularySize"/>.</returns>
    public int AddTokens(IEnumerable<string> tokens, bool special = false)
        => tokens is null ? throw new ArgumentNullException(nameof(tokens)) : AddTokens(tokens.Select(token => new AddedToken(token) { Special = special, Normalized = !special }));

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tokens(text, null, new() { AddSpecialTokens = addSpecialTokens }).ConvertAll(token => token.Id);
    }

    /// <summary>Encodes text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">Special tokens, truncation and padding.</param>
    /// <exception cref="ArgumentException">The options are contradictory, or MaxLength is too small.</exception>
    /// <exception cref="TokenizerException">Padding is requested, but there is no padding token.</exception>
    public TokenEncoding Encode(string text, EncodeOptions options) => EncodeBatch([text], options)[0];

    /// <summary>Encodes a pair of texts, such as question and context.</summary>
    /// <param name="text">The first text.</param>
    /// <param name="pair">The second text.</param>
    /// <param name="options">Special tokens, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options are contradictory, or MaxLength is too small.</exception>
    /// <exception cref="TokenizerException">Padding is requested, but there is no padding token.</exception>
    public TokenEncoding Encode(string text, string pair, EncodeOptions? options = null) => EncodeBatch([(text, pair)], options)[0];

    /// <summary>Encodes several texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="options">Special tokens, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options are contradictory, or MaxLength is too small.</exception>
    /// <exception cref="TokenizerException">Padding is requested, but there is no padding token.</exception>
    public IReadOnlyList<TokenEncoding> EncodeBatch(IEnumerable<string> texts, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return EncodeAll(texts.Select(text => (text, (string?)null)), options ?? new());
    }

    /// <summary>Encodes several pairs of texts.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="options">Special tokens, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options are contradictory, or MaxLength is too small.</exception>
    /// <exception cref="TokenizerException">Padding is requested, but there is no padding token.</exception>
    public IReadOnlyList<TokenEncoding> EncodeBatch(IEnumerable<(string Text, string Pair)> pairs, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        return EncodeAll(pairs.Select(pair => (pair.Text, (string?)(pair.Pair ?? throw new ArgumentException("A pair's second text is null.", nameof(pairs))))), options ?? new());
    }

    /// <inheritdoc/>
    /// <remarks>Unknown ids are skipped.</remarks>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var text = DecodeTokens(ids, skipSpecialTokens);
        return settings.CleanUp ? CleanUp(text) : text;
    }

    /// <summary>Creates a decoder for a stream of tokens.</summary>
    /// <param name="skipSpecialTokens">True to skip special tokens.</param>
    public StreamingDecoder CreateStreamingDecoder(bool skipSpecialTokens = true) => new(this, skipSpecialTokens);

    /// <summary>True if decoding removes spaces before punctuation.</summary>
    internal bool CleansUp => settings.CleanUp;

    /// <summary>True for a special token, by its role or because it was added as one.</summary>
    internal bool IsSpecial(int id) => IdToToken(id) is { } token && (added.IsSpecial(token) || settings.Named.Values.Contains(token));

    /// <summary>True if decoding skips an id.</summary>
    internal bool IsSkipped(int id, bool skipSpecialTokens)
        => IdToToken(id) is not { } token || (skipSpecialTokens && added.IsSpecial(token));

    private List<TokenEncoding> EncodeAll(IEnumerable<(string Text, string? Pair)> texts, EncodeOptions options)
    {
        options.Validate();
        var padId = options.PadId ?? PadId;
        if (options.Padding != PaddingStrategy.None && padId is null)
            throw new TokenizerException("Padding requires a padding token, and the tokenizer's files do not define one. Set EncodeOptions.PadId; for language models, usually to EndOfSequenceId.");
        var batch = texts.Select(text => Tokens(text.Text ?? throw new ArgumentException("A text is null.", nameof(texts)), text.Pair, options)).ToList();
        var length = options.Padding switch
        {
            PaddingStrategy.None => 0,
            PaddingStrategy.Longest => batch.Count == 0 ? 0 : batch.Max(tokens => tokens.Count),
            _ => options.MaxLength!.Value,
        };
        length = (length + options.PadToMultipleOf - 1) / options.PadToMultipleOf * options.PadToMultipleOf;
        var pad = TokenEntry.Special(padId ?? 0, padId is { } id ? IdToToken(id) ?? "" : "", 0);
        return [.. batch.Select(tokens => new TokenEncoding(tokens, Math.Max(0, length - tokens.Count), options.PaddingSide ?? settings.PaddingSide, pad))];
    }

    private List<TokenEntry> Tokens(string text, string? pair, EncodeOptions options)
    {
        var vocabulary = added;
        List<List<TokenEntry>> sequences = [pipeline.Tokenize(text, 0, vocabulary)];
        if (pair is not null)
            sequences.Add(pipeline.Tokenize(pair, 1, vocabulary));
        return pipeline.Finish(sequences, options, options.TruncationSide ?? settings.TruncationSide);
    }

    private string DecodeTokens(IEnumerable<int> ids, bool skipSpecialTokens)
    {
        var vocabulary = added;
        var tokens = new List<string>();
        foreach (var id in ids)
        {
            var token = vocabulary.TokenOf(id) ?? (pipeline.Model.Vocabulary.TryGetToken(id, out var known) ? known : null);
            if (token is not null && !(skipSpecialTokens && vocabulary.IsSpecial(token)))
                tokens.Add(token);
        }
        return pipeline.Decode(tokens);
    }

    // Differs from the WordPiece decoder's cleanup: that of transformers does not replace "do not".
    private static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal).Replace(" ,", ",", StringComparison.Ordinal)
        .Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);

    private int? IdOfRole(string role) => settings.Named.TryGetValue(role, out var token) ? TokenToId(token) : null;
}
