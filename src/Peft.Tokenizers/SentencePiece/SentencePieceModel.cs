namespace Peft.Tokenizers;

/// <summary>A SentencePiece model: splits text into tokens. A span that is not in the vocabulary becomes byte tokens or a single unknown token (its src/sentencepiece_processor.cc).</summary>
internal sealed class SentencePieceModel : ITokenModel
{
    private readonly Func<string, List<(int Start, int End, int Id)>> cut;
    private readonly int unknownId;
    private readonly int?[]? byteIds;

    public SentencePieceModel(SentencePieceProto proto, string source)
    {
        Vocabulary = new(proto.Pieces.Select((piece, id) => (piece.Text, id)).ToDictionary());
        unknownId = proto.UnknownId;
        cut = proto.ModelType switch
        {
            1 => new SentencePieceUnigram(proto).Cut,
            2 => new SentencePieceBpe(proto).Cut,
            var type => throw new TokenizerException($"{source}: model_type {type} is not supported. Only unigram and BPE models are."),
        };
        if (!proto.ByteFallback)
            return;
        byteIds = Vocabulary.ByteIds();
        if (byteIds.Contains(null))
            throw new TokenizerException($"{source} has byte_fallback, but lacks some byte tokens: the file is damaged.");
    }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        var result = new List<TextToken>();
        foreach (var (start, end, id) in cut(text))
        {
            if (id != unknownId)
                result.Add(new(id, text[start..end], start, end));
            else if (byteIds is not null)
                result.AddRange(System.Text.Encoding.UTF8.GetBytes(text[start..end]).Select(value => new TextToken(byteIds[value]!.Value, $"<0x{value:X2}>", start, end)));
            else if (result.Count > 0 && result[^1].Id == unknownId)
                result[^1] = new(id, text[result[^1].Start..end], result[^1].Start, end);
            else
                result.Add(new(id, text[start..end], start, end));
        }
        return result;
    }
}
