using Peft.Checkpoints;

namespace Peft.Tokenizers;

/// <summary>A SentencePiece model file: <c>ModelProto</c> of github.com/google/sentencepiece, src/sentencepiece_model.proto. The defaults are those of the format.</summary>
internal sealed class SentencePieceProto
{
    /// <summary>The metaspace character, which represents a space in SentencePiece.</summary>
    public const char Space = '\u2581';

    private readonly string source;
    private readonly TokenizerReading reading;

    public SentencePieceProto(byte[] content, string source, TokenizerReading reading)
    {
        (this.source, this.reading) = (source, reading);
        var check = reading.Tokens(source);
        var bytes = new ByteWindow(content, problem => new TokenizerException($"{source} is not a SentencePiece model, or is damaged: it has {problem}."));
        for (var reader = new ProtoReader(bytes); reader.Next();)
        {
            switch (reader.Field)
            {
                case 1:
                    Pieces.Add(Piece(reader.Message()));
                    check(Pieces[^1].Text);
                    break;
                case 2: Trainer(reader.Message()); break;
                case 3: Normalizer(reader.Message()); break;
            }
        }
        if (Pieces.Count == 0) throw new TokenizerException($"{source} has no tokens, so it is not a SentencePiece model.");
        if (Pieces.DistinctBy(piece => piece.Text).Count() != Pieces.Count) throw new TokenizerException($"{source} has a duplicate token: the file is damaged.");
    }

    /// <summary>The tokens. The index of a token is its id.</summary>
    public List<SentencePiece> Pieces { get; } = [];

    /// <summary>1 for unigram, 2 for byte-pair encoding, 3 for word and 4 for character models.</summary>
    public long ModelType { get; private set; } = 1;

    /// <summary>True if characters without a token become byte tokens of their UTF-8 encoding.</summary>
    public bool ByteFallback { get; private set; }

    /// <summary>True if the metaspace character is at the end of a word instead of its beginning.</summary>
    public bool SpaceAsSuffix { get; private set; }

    /// <summary>True if a space is prepended to a text.</summary>
    public bool AddDummyPrefix { get; private set; } = true;

    /// <summary>True if leading and trailing spaces are removed, and runs of spaces are collapsed.</summary>
    public bool RemoveExtraSpaces { get; private set; } = true;

    /// <summary>True if spaces are replaced by <see cref="Space"/>.</summary>
    public bool EscapeSpaces { get; private set; } = true;

    /// <summary>The normalization rules; null for none.</summary>
    public Charsmap? Charsmap { get; private set; }

    /// <summary>The string to which the unknown token is decoded.</summary>
    public string UnknownSurface { get; private set; } = " \u2047 ";

    /// <summary>The special tokens by role, with their ids. An id below 0 means that the token does not exist.</summary>
    public Dictionary<string, (string Text, long Id)> Roles { get; } = new()
    {
        ["unk_token"] = ("<unk>", 0), ["bos_token"] = ("<s>", 1), ["eos_token"] = ("</s>", 2), ["pad_token"] = ("<pad>", -1),
    };

    /// <summary>The id of the unknown token.</summary>
    public int UnknownId => Pieces.FindIndex(piece => piece.Kind == PieceKind.Unknown) is >= 0 and var id ? id
        : throw new TokenizerException($"{source} has no unknown token, which every SentencePiece model must have: the file is damaged.");

    private SentencePiece Piece(ProtoReader reader)
    {
        var (text, score, kind) = ("", 0f, PieceKind.Normal);
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 1: text = reader.Text(); break;
                case 2: score = reader.Single(); break;
                case 3: kind = (PieceKind)reader.Int64(); break;
            }
        }
        if (text.Length == 0 || !float.IsFinite(score) || !Enum.IsDefined(kind))
            throw new TokenizerException($"{source}: token {Pieces.Count} has no text, no finite score or an unknown type: the file is damaged.");
        return new(text, score, kind);
    }

    private void Trainer(ProtoReader reader)
    {
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 3: ModelType = reader.Int64(); break;
                case 24: SpaceAsSuffix = reader.Bool(); break;
                case 35: ByteFallback = reader.Bool(); break;
                case >= 40 and <= 43 and var field: Roles[Role(field - 40)] = Roles[Role(field - 40)] with { Id = (int)reader.Int64() }; break;
                case 44: UnknownSurface = Bounded(reader.Text()); break;
                case >= 45 and <= 48 and var field: Roles[Role(field - 45)] = Roles[Role(field - 45)] with { Text = reader.Text() }; break;
            }
        }
    }

    private void Normalizer(ProtoReader reader)
    {
        while (reader.Next())
        {
            switch (reader.Field)
            {
                case 2: Charsmap = reader.Bytes() is { IsEmpty: false } rules ? new(rules, reading.Limits) : null; break;
                case 3: AddDummyPrefix = reader.Bool(); break;
                case 4: RemoveExtraSpaces = reader.Bool(); break;
                case 5: EscapeSpaces = reader.Bool(); break;
            }
        }
    }

    private string Bounded(string text) => text.Length <= reading.Limits.MaxTokenLength ? text : throw TokenizerReading.TooMuch(reading.Limits, source, nameof(ResourceLimits.MaxTokenLength));

    private static string Role(int index) => index switch { 0 => "unk_token", 1 => "bos_token", 2 => "eos_token", _ => "pad_token" };
}
