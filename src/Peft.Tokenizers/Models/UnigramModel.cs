namespace Peft.Tokenizers;

/// <summary>
/// SentencePiece's unigram language model (Kudo 2018, arXiv:1804.10959): the most probable segmentation of text, found by the Viterbi algorithm.
/// Microsoft.ML.Tokenizers reads these models only from a SentencePiece protocol buffer and with that format's normalizer, not from <c>tokenizer.json</c>.
/// </summary>
internal sealed class UnigramModel : ITokenModel
{
    // Penalty of an unknown character relative to the least probable token, as in SentencePiece.
    private const double UnknownPenalty = 10;

    private readonly double[] scores;
    private readonly CharTrie trie = new();
    private readonly int? unknownId;
    private readonly int?[]? byteIds;
    private readonly double unknownScore;

    public UnigramModel(IReadOnlyList<(string Token, double Score)> vocabulary, int? unknownId, bool byteFallback)
    {
        var ids = new Dictionary<string, int>(vocabulary.Count);
        scores = new double[vocabulary.Count];
        for (var id = 0; id < vocabulary.Count; id++)
        {
            ids[vocabulary[id].Token] = id;
            scores[id] = vocabulary[id].Score;
        }
        Vocabulary = new(ids);
        foreach (var (token, id) in ids)
            trie.Add(token, id);
        this.unknownId = unknownId;
        unknownScore = (scores.Length > 0 ? scores.Min() : 0) - UnknownPenalty;
        byteIds = byteFallback ? Vocabulary.ByteIds() : null;
    }

    public Vocabulary Vocabulary { get; }

    public IReadOnlyList<TextToken> Tokenize(string text)
    {
        var result = new List<TextToken>();
        foreach (var (start, end) in Pieces(text))
        {
            var piece = text[start..end];
            if (Vocabulary.TryGetId(piece, out var id))
                result.Add(new(id, piece, start, end));
            else if (!AddBytes(piece, start, end, result))
                result.Add(new(RequireUnknown(), piece, start, end));
        }
        return result;
    }

    private bool AddBytes(string piece, int start, int end, List<TextToken> result)
    {
        if (byteIds is null)
            return false;
        var bytes = System.Text.Encoding.UTF8.GetBytes(piece);
        if (bytes.Any(value => byteIds[value] is null))
            return false;
        result.AddRange(bytes.Select(value => new TextToken(byteIds[value]!.Value, $"<0x{value:X2}>", start, end)));
        return true;
    }

    // The best segmentation, with adjacent unknown characters joined.
    private List<TextRange> Pieces(string text)
    {
        var best = new (double Score, int Start, int Id)[text.Length + 1];
        for (var i = 1; i <= text.Length; i++)
            best[i].Start = -1;
        for (var start = 0; start < text.Length;)
        {
            var score = best[start].Score;
            var next = start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
            var single = false;
            foreach (var (end, id) in trie.PrefixesAt(text, start))
            {
                Offer(start, end, score + scores[id], id);
                single |= end == next;
            }
            if (!single)
                Offer(start, next, score + unknownScore, RequireUnknownIf(start, next, score));
            start = next;
        }
        return Back(best, text.Length);

        void Offer(int start, int end, double score, int id)
        {
            if (best[end].Start < 0 || score > best[end].Score)
                best[end] = (score, start, id);
        }

        int RequireUnknownIf(int start, int next, double score)
            => best[next].Start < 0 || score + unknownScore > best[next].Score ? RequireUnknown() : -1;
    }

    private List<TextRange> Back((double Score, int Start, int Id)[] best, int end)
    {
        var result = new List<TextRange>();
        var afterUnknown = false;
        while (end > 0)
        {
            var (_, start, id) = best[end];
            var unknown = id == unknownId;
            if (unknown && afterUnknown)
                result[^1] = result[^1] with { Start = start };
            else
                result.Add(new(start, end));
            afterUnknown = unknown;
            end = start;
        }
        result.Reverse();
        return result;
    }

    private int RequireUnknown() => unknownId ?? throw new TokenizerException("The text has a character that the vocabulary lacks, and the tokenizer has no unknown token (unk_id).");
}
