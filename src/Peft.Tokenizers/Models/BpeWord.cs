namespace Peft.Tokenizers;

/// <summary>A sequence of tokens to which merges are applied in order of rank. A linked list and a priority queue give O(n·log n).</summary>
internal sealed class BpeWord
{
    private readonly List<Symbol> symbols = [];

    /// <summary>The tokens, each with the number of UTF-8 bytes that it covers.</summary>
    public IEnumerable<(int Id, int Bytes)> Tokens => symbols.Where(symbol => symbol.Bytes > 0).Select(symbol => (symbol.Id, symbol.Bytes));

    public int Count => symbols.Count;

    public int this[int index] => symbols[index].Id;

    public void Add(int id, int bytes)
    {
        symbols.Add(new() { Id = id, Bytes = bytes, Previous = symbols.Count - 1, Next = symbols.Count + 1 });
    }

    public void Merge(BpeMerges merges)
    {
        // Equal ranks mean equal pairs, of which the leftmost merges first.
        var queue = new PriorityQueue<(int Position, int Id), long>();
        for (var i = 0; i + 1 < symbols.Count; i++)
            Offer(i, i + 1);
        while (queue.TryDequeue(out var candidate, out _))
        {
            var left = symbols[candidate.Position];
            if (left.Bytes == 0 || left.Next >= symbols.Count)
                continue;
            var right = symbols[left.Next];
            // The pair may have changed since it was queued.
            if (!merges.TryGet(left.Id, right.Id, out var merge) || merge.Id != candidate.Id)
                continue;
            symbols[left.Next] = right with { Bytes = 0 };
            left = left with { Id = merge.Id, Bytes = left.Bytes + right.Bytes, Next = right.Next };
            symbols[candidate.Position] = left;
            if (left.Next < symbols.Count)
            {
                symbols[left.Next] = symbols[left.Next] with { Previous = candidate.Position };
                Offer(candidate.Position, left.Next);
            }
            if (left.Previous >= 0)
                Offer(left.Previous, candidate.Position);
        }

        void Offer(int left, int right)
        {
            if (merges.TryGet(symbols[left].Id, symbols[right].Id, out var merge))
                queue.Enqueue((left, merge.Id), ((long)merge.Rank << 32) | (uint)left);
        }
    }

    private readonly record struct Symbol
    {
        public int Id { get; init; }
        public int Bytes { get; init; }
        public int Previous { get; init; }
        public int Next { get; init; }
    }
}
