namespace Peft.Tokenizers;

/// <summary>
/// SentencePiece's byte-pair encoding (its src/bpe_model.cc): repeatedly merges the adjacent symbols whose concatenation is the token with the highest score,
/// and of equal scores the leftmost. It has no list of merges, which <see cref="BpeModel"/> needs.
/// </summary>
internal sealed class SentencePieceBpe
{
    private readonly IReadOnlyList<SentencePiece> pieces;
    private readonly Dictionary<string, int> joinable;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> lookup;
    private readonly Dictionary<string, int> reserved;
    private readonly CharTrie userDefined;
    private readonly int unknownId;

    public SentencePieceBpe(SentencePieceProto proto)
    {
        pieces = proto.Pieces;
        unknownId = proto.UnknownId;
        userDefined = SentencePieceNormalizer.UserDefined(proto);
        var ids = pieces.Select((piece, id) => (piece, id)).ToLookup(pair => pair.piece.Kind is PieceKind.Normal or PieceKind.UserDefined or PieceKind.Unused);
        joinable = ids[true].ToDictionary(pair => pair.piece.Text, pair => pair.id);
        reserved = ids[false].ToDictionary(pair => pair.piece.Text, pair => pair.id);
        lookup = joinable.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public List<(int Start, int End, int Id)> Cut(string text)
    {
        var parts = Parts(text);
        var queue = new PriorityQueue<(int Left, int Length), (float Score, int Left)>(HighestFirst);
        var halves = new Dictionary<string, int>();   // length of the left half of each unused token
        for (var i = 0; i + 1 < parts.Count; i++)
            Offer(i);
        while (queue.TryDequeue(out var pair, out _))
        {
            var left = parts[pair.Left];
            // Either half may have been merged with another symbol since.
            if (left.Length == 0 || left.Next < 0 || left.Length + parts[left.Next].Length != pair.Length)
                continue;
            var right = parts[left.Next];
            parts[left.Next] = right with { Length = 0 };
            parts[pair.Left] = left with { Length = pair.Length, Next = right.Next };
            if (right.Next >= 0)
                parts[right.Next] = parts[right.Next] with { Previous = pair.Left };
            Offer(left.Previous);
            Offer(pair.Left);
        }
        var result = new List<(int, int, int)>();
        for (var i = parts.Count > 0 ? 0 : -1; i >= 0; i = parts[i].Next)
            Emit(parts[i].Start, parts[i].Length);
        return result;

        void Offer(int index)
        {
            if (index < 0 || parts[index] is not { Next: >= 0, Frozen: false } left || parts[left.Next].Frozen)
                return;
            var length = left.Length + parts[left.Next].Length;
            if (!lookup.TryGetValue(text.AsSpan(left.Start, length), out var id))
                return;
            queue.Enqueue((index, length), (pieces[id].Score, index));
            if (pieces[id].Kind == PieceKind.Unused)
                halves[pieces[id].Text] = left.Length;
        }

        void Emit(int first, int all)
        {
            var rest = new Stack<(int Start, int Length)>([(first, all)]);
            while (rest.TryPop(out var part))
            {
                var token = text.Substring(part.Start, part.Length);
                var id = IdOf(token);
                if (pieces[id].Kind != PieceKind.Unused || !halves.TryGetValue(token, out var half))
                {
                    result.Add((part.Start, part.Start + part.Length, id));
                    continue;
                }
                rest.Push((part.Start + half, part.Length - half));
                rest.Push((part.Start, half));
            }
        }
    }

    private int IdOf(string token) => reserved.TryGetValue(token, out var id) || joinable.TryGetValue(token, out id) ? id : unknownId;

    private List<Part> Parts(string text)
    {
        var parts = new List<Part>(text.Length);
        for (var start = 0; start < text.Length;)
        {
            var end = 0;
            foreach (var match in userDefined.PrefixesAt(text, start))
                end = match.End;
            var frozen = end > 0;
            if (!frozen)
                end = start + (char.IsHighSurrogate(text[start]) ? 2 : 1);
            parts.Add(new(start, end - start, parts.Count - 1, end < text.Length ? parts.Count + 1 : -1, frozen));
            start = end;
        }
        return parts;
    }

    private static readonly Comparer<(float Score, int Left)> HighestFirst
        = Comparer<(float Score, int Left)>.Create((a, b) => a.Score != b.Score ? b.Score.CompareTo(a.Score) : a.Left.CompareTo(b.Left));

    private readonly record struct Part(int Start, int Length, int Previous, int Next, bool Frozen);
}
