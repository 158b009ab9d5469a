namespace Peft.Tokenizers;

/// <summary>
/// The most probable segmentation by a unigram model, as SentencePiece computes it: sums in float32, compared in float64 (its
/// src/unigram_model.cc, <c>EncodeOptimized</c>). <see cref="UnigramModel"/> follows Hugging Face's <c>tokenizers</c>, which breaks ties differently.
/// </summary>
internal sealed class SentencePieceUnigram
{
    private const float UnknownPenalty = 10;

    private readonly IReadOnlyList<SentencePiece> pieces;
    private readonly CharTrie trie = new();
    private readonly float unknownScore, highest;
    private readonly int unknownId;

    public SentencePieceUnigram(SentencePieceProto proto)
    {
        pieces = proto.Pieces;
        unknownId = proto.UnknownId;
        var scores = pieces.Where(piece => piece.Kind == PieceKind.Normal).Select(piece => piece.Score).ToList();
        unknownScore = scores.Append(float.MaxValue).Min() - UnknownPenalty;
        highest = scores.Append(1.17549435e-38f).Max();   // FLT_MIN, the initial value of the reference implementation
        for (var id = 0; id < pieces.Count; id++)
        {
            if (pieces[id].Kind is PieceKind.Normal or PieceKind.UserDefined)
                trie.Add(pieces[id].Text, id);
        }
    }

    public List<(int Start, int End, int Id)> Cut(string text)
    {
        var best = new (float Score, int Start, int Id)[text.Length + 1];
        for (var i = 1; i <= text.Length; i++)
            best[i].Start = -1;
        for (var start = 0; start < text.Length;)
        {
            var next = start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
            var single = false;
            foreach (var (end, id) in trie.PrefixesAt(text, start))
            {
                Offer(best, start, end, id, Score(id, text, start, end) + best[start].Score);
                single |= end == next;
            }
            if (!single)
                Offer(best, start, next, unknownId, unknownScore + best[start].Score);
            start = next;
        }
        var result = new List<(int, int, int)>();
        for (var end = text.Length; end > 0; end = best[end].Start)
            result.Add((best[end].Start, end, best[end].Id));
        result.Reverse();
        return result;
    }

    // A user-defined token always takes precedence.
    private double Score(int id, string text, int start, int end) => pieces[id].Kind == PieceKind.UserDefined
        ? System.Text.Encoding.UTF8.GetByteCount(text.AsSpan(start, end - start)) * highest - 0.1
        : pieces[id].Score;

    private static void Offer((float Score, int Start, int Id)[] best, int start, int end, int id, double score)
    {
        if (best[end].Start < 0 || score > best[end].Score)
            best[end] = ((float)score, start, id);
    }
}
