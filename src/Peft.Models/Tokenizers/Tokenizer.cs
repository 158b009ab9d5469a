using Peft.Checkpoints;

namespace Peft.Models;

/// <summary>
/// A tokenizer as Hugging Face publishes it in <c>tokenizer.json</c>: normalizer, pre-tokenizer, model, post-processor, decoder and added tokens,
/// giving the same ids, offsets and text as Hugging Face's <c>tokenizers</c> and <c>transformers</c>. Safe for use from several threads.
/// </summary>
/// <remarks>
/// The pipeline is this library's own. Microsoft.ML.Tokenizers 2.0.1 reads no <c>tokenizer.json</c>, and its models are exact for one of the common
/// kinds only: of the reference's 75 test strings it gives the ids of all for GPT-2 and of 66 for BERT, it has no model at all for Llama 2 and T5 in
/// this format, and its offsets differ wherever a text has characters beyond the first 65,536. <c>truncation</c> and <c>padding</c> in the file are
/// not applied: as in transformers, they are given with each call (<see cref="EncodeOptions"/>).
/// </remarks>
public sealed class Tokenizer : ITokenizer
{
    readonly TokenizerPipeline pipeline;
    readonly TokenizerSettings settings;
    readonly Lock adding = new();
    readonly string source;
    readonly AddedVocabulary saved;
    volatile AddedVocabulary added;
    volatile Lazy<ChatTemplate?> chatTemplate;

    Tokenizer(TokenizerFiles files, ResourceLimits limits)
    {
        (pipeline, saved, settings, source) = files;
        added = saved;
        chatTemplate = new(() => ChatTemplateFiles.Find(Path.GetDirectoryName(source)!, limits));
    }

    /// <summary>
    /// Reads a pretrained model's <c>tokenizer.json</c>, or else SentencePiece's <c>tokenizer.model</c> or <c>spiece.model</c>, or else BERT's <c>vocab.txt</c>; and
    /// <c>tokenizer_config.json</c> and <c>special_tokens_map.json</c> where present.
    /// </summary>
    /// <param name="nameOrPath">A folder, or the id of a model on the hub, of which only the tokenizer's files are fetched. A folder of that name wins.</param>
    /// <param name="options">Revision and hub options; the same that the model is loaded with will do.</param>
    /// <exception cref="HubException">The files could not be downloaded.</exception>
    /// <exception cref="TokenizerException">A file is missing, damaged, or uses a component that is not supported.</exception>
    public static Tokenizer FromPretrained(string nameOrPath, LoadOptions? options = null)
    {
        var folder = ModelSource.Resolve(nameOrPath, options, ModelFiles.Tokenizer).Folder;
        var file = SentencePieceFiles.Names.Prepend("tokenizer.json").Append(WordPieceFiles.Name).Select(name => Path.Combine(folder, name)).FirstOrDefault(SmallFile.Exists)
            ?? throw new TokenizerException($"{Path.GetFullPath(folder)} has neither tokenizer.json nor {string.Join(" nor ", SentencePieceFiles.Names)} nor {WordPieceFiles.Name}. Give the folder of a model that has one; transformers writes tokenizer.json when it saves a fast tokenizer.");
        return FromFile(file, options?.Limits);
    }

    /// <summary>Reads a <c>tokenizer.json</c>, a SentencePiece <c>.model</c> or a BERT <c>vocab.txt</c>, and the two other files where they lie beside it.</summary>
    /// <param name="file">The file.</param>
    /// <param name="limits">What the files and their rules may cost, when they are read and when texts are encoded; <see cref="ResourceLimits.Default"/> if null.</param>
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
            _ => TokenizerFiles.Read(file, limits),
        }, limits);
    }

    /// <summary>
    /// Saves the tokenizer's files: those that it was read from, with the tokens that were added since. The folder holds the old
    /// files or the new ones, all of them, at any moment, and keeps what it holds besides.
    /// </summary>
    /// <param name="folder">The folder; it is created if need be.</param>
    /// <exception cref="TokenizerException">The files that it was read from are gone.</exception>
    /// <exception cref="Checkpoints.CheckpointException">A file could not be written.</exception>
    public void Save(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        var now = added;
        TokenizerWriter.Write(source, folder, now == saved ? null : now);
    }

    /// <summary>Number of different tokens, added ones included.</summary>
    public int VocabularySize => pipeline.Model.Vocabulary.Count + added.NewTokens;

    /// <summary>The model's longest input in tokens, if the files name a limit. Nothing is cut to it unless asked.</summary>
    public int? MaxLength => settings.MaxLength;

    /// <summary>How conversations become text, as the files beside <c>tokenizer.json</c> say; null if none does. Another one can be set.</summary>
    /// <exception cref="ChatTemplateException">The files have a template that cannot be read.</exception>
    public ChatTemplate? ChatTemplate
    {
        get => chatTemplate.Value;
        set => chatTemplate = new(value);
    }

    /// <summary>The texts of the special tokens by role, such as <c>eos_token</c>.</summary>
    internal IReadOnlyDictionary<string, string> SpecialTokens => settings.Named;

    /// <inheritdoc/>
    public int? BeginOfSequenceId => IdOfRole("bos_token");

    /// <inheritdoc/>
    public int? EndOfSequenceId => IdOfRole("eos_token");

    /// <inheritdoc/>
    public int? PadId => IdOfRole("pad_token");

    /// <summary>Id of the token for what the vocabulary lacks, if there is one.</summary>
    public int? UnknownId => IdOfRole("unk_token");

    /// <summary>Id of the token that separates two texts, if there is one.</summary>
    public int? SeparatorId => IdOfRole("sep_token");

    /// <summary>Id of the token whose position stands for the whole text, if there is one.</summary>
    public int? ClassifierId => IdOfRole("cls_token");

    /// <summary>Id of the token that masked language models fill in, if there is one.</summary>
    public int? MaskId => IdOfRole("mask_token");

    /// <summary>Id of a token, or null if there is no such token.</summary>
    public int? TokenToId(string token) => added.IdOf(token) ?? pipeline.Model.Vocabulary.IdOf(token);

    /// <summary>The token of an id as the vocabulary spells it, or null if there is no such id.</summary>
    public string? IdToToken(int id) => added.TokenOf(id) ?? (pipeline.Model.Vocabulary.TryGetToken(id, out var token) ? token : null);

    /// <summary>Adds tokens that are found in texts before the model sees them. Model and vocabulary must grow together.</summary>
    /// <param name="tokens">The tokens; one that the vocabulary has keeps its id, new ones get the next free ids in order.</param>
    /// <returns>How much <see cref="VocabularySize"/> grew.</returns>
    public int AddTokens(IEnumerable<AddedToken> tokens)
    {
        lock (adding)
        {
            var before = added.NewTokens;
            added = added.With(tokens);
            return added.NewTokens - before;
        }
    }

    /// <summary>Adds tokens by their text.</summary>
    /// <param name="tokens">The texts.</param>
    /// <param name="special">Whether decoding leaves them out on request.</param>
    /// <returns>How much <see cref="VocabularySize"/> grew.</returns>
    public int AddTokens(IEnumerable<string> tokens, bool special = false)
        => AddTokens(tokens.Select(token => new AddedToken(token) { Special = special, Normalized = !special }));

    /// <inheritdoc/>
    public IReadOnlyList<int> Encode(string text, bool addSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(text);
        return Tokens(text, null, new() { AddSpecialTokens = addSpecialTokens }).ConvertAll(token => token.Id);
    }

    /// <summary>Encodes a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="options">Template, truncation and padding.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no room.</exception>
    /// <exception cref="TokenizerException">Padding is asked for, but there is no padding token.</exception>
    public TokenEncoding Encode(string text, EncodeOptions options) => EncodeBatch([text], options)[0];

    /// <summary>Encodes a pair of texts, such as question and context.</summary>
    /// <param name="text">The first text.</param>
    /// <param name="pair">The second text.</param>
    /// <param name="options">Template, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no room.</exception>
    /// <exception cref="TokenizerException">Padding is asked for, but there is no padding token.</exception>
    public TokenEncoding Encode(string text, string pair, EncodeOptions? options = null) => EncodeBatch([(text, pair)], options)[0];

    /// <summary>Encodes several texts.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="options">Template, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no room.</exception>
    /// <exception cref="TokenizerException">Padding is asked for, but there is no padding token.</exception>
    public IReadOnlyList<TokenEncoding> EncodeBatch(IEnumerable<string> texts, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return EncodeAll(texts.Select(text => (text, (string?)null)), options ?? new());
    }

    /// <summary>Encodes several pairs of texts.</summary>
    /// <param name="pairs">The pairs.</param>
    /// <param name="options">Template, truncation and padding; null for the defaults.</param>
    /// <exception cref="ArgumentException">The options contradict each other, or leave no room.</exception>
    /// <exception cref="TokenizerException">Padding is asked for, but there is no padding token.</exception>
    public IReadOnlyList<TokenEncoding> EncodeBatch(IEnumerable<(string Text, string Pair)> pairs, EncodeOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pairs);
        return EncodeAll(pairs.Select(pair => (pair.Text, (string?)(pair.Pair ?? throw new ArgumentException("A pair's second text is null.", nameof(pairs))))), options ?? new());
    }

    /// <inheritdoc/>
    /// <remarks>Ids without a token are skipped.</remarks>
    public string Decode(IEnumerable<int> ids, bool skipSpecialTokens = true)
    {
        ArgumentNullException.ThrowIfNull(ids);
        var text = DecodeTokens(ids, skipSpecialTokens);
        return settings.CleanUp ? CleanUp(text) : text;
    }

    /// <summary>A decoder for text that comes token by token.</summary>
    /// <param name="skipSpecialTokens">Whether special tokens are left out.</param>
    public StreamingDecoder CreateStreamingDecoder(bool skipSpecialTokens = true) => new(this, skipSpecialTokens);

    /// <summary>Whether decoding rewrites spaces before punctuation.</summary>
    internal bool CleansUp => settings.CleanUp;

    /// <summary>Whether an id is that of a special token, by a role or because it was added as one.</summary>
    internal bool IsSpecial(int id) => IdToToken(id) is { } token && (added.IsSpecial(token) || settings.Named.Values.Contains(token));

    /// <summary>Whether decoding leaves an id out.</summary>
    internal bool IsSkipped(int id, bool skipSpecialTokens)
        => IdToToken(id) is not { } token || (skipSpecialTokens && added.IsSpecial(token));

    List<TokenEncoding> EncodeAll(IEnumerable<(string Text, string? Pair)> texts, EncodeOptions options)
    {
        options.Validate();
        var padId = options.PadId ?? PadId;
        if (options.Padding != PaddingStrategy.None && padId is null)
            throw new TokenizerException("Padding needs a padding token, and the tokenizer's files name none. Set EncodeOptions.PadId, for language models often to EndOfSequenceId.");
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

    List<TokenEntry> Tokens(string text, string? pair, EncodeOptions options)
    {
        var vocabulary = added;
        List<List<TokenEntry>> sequences = [pipeline.Tokenize(text, 0, vocabulary)];
        if (pair is not null)
            sequences.Add(pipeline.Tokenize(pair, 1, vocabulary));
        return pipeline.Finish(sequences, options, options.TruncationSide ?? settings.TruncationSide);
    }

    string DecodeTokens(IEnumerable<int> ids, bool skipSpecialTokens)
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

    // Not the WordPiece decoder's list: transformers' own leaves "do not" alone.
    static string CleanUp(string text) => text
        .Replace(" .", ".", StringComparison.Ordinal).Replace(" ?", "?", StringComparison.Ordinal)
        .Replace(" !", "!", StringComparison.Ordinal).Replace(" ,", ",", StringComparison.Ordinal)
        .Replace(" ' ", "'", StringComparison.Ordinal).Replace(" n't", "n't", StringComparison.Ordinal)
        .Replace(" 'm", "'m", StringComparison.Ordinal).Replace(" 's", "'s", StringComparison.Ordinal)
        .Replace(" 've", "'ve", StringComparison.Ordinal).Replace(" 're", "'re", StringComparison.Ordinal);

    int? IdOfRole(string role) => settings.Named.TryGetValue(role, out var token) ? TokenToId(token) : null;
}
