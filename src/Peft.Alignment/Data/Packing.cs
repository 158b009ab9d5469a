namespace Peft;

/// <summary>Packs rows into fewer ones. Each packed row is a list of documents that do not attend to each other.</summary>
internal static class Packing
{
    // As in TRL, rows are packed only with others among this many consecutive ones.
    private const int Block = 1000;

    /// <summary>Packs rows.</summary>
    /// <param name="rows">The rows; empty ones disappear.</param>
    /// <param name="strategy">How to pack.</param>
    /// <param name="length">Maximum number of tokens of a packed row.</param>
    public static IEnumerable<LabelledSequence[]> Pack(IEnumerable<LabelledSequence> rows, PackingStrategy strategy, int length)
        => rows.Chunk(Block).SelectMany<LabelledSequence[], LabelledSequence[]>(block => strategy switch
        {
            PackingStrategy.BestFit => BestFit([.. block.Select(row => Part(row, 0, length))], length),
            PackingStrategy.BestFitSplit => BestFit([.. block.SelectMany(row => Pieces(row, length))], length),
            PackingStrategy.Wrapped => Pieces(new([.. block.SelectMany(row => row.Ids)], [.. block.SelectMany(row => row.Labels)]), length).Select(piece => new[] { piece }),
            _ => block.Select(row => new[] { row }),
        });

    private static IEnumerable<LabelledSequence> Pieces(LabelledSequence row, int length)
        => Enumerable.Range(0, (row.Ids.Length + length - 1) / length).Select(i => Part(row, i * length, length));

    private static LabelledSequence Part(LabelledSequence row, int start, int length)
        => start == 0 && row.Ids.Length <= length ? row : new([.. row.Ids.Skip(start).Take(length)], [.. row.Labels.Skip(start).Take(length)]);

    private static List<LabelledSequence[]> BestFit(IReadOnlyList<LabelledSequence> documents, int length)
    {
        var bins = new List<List<LabelledSequence>>();
        var rooms = new SortedSet<int>();
        var binsByRoom = new Dictionary<int, Queue<List<LabelledSequence>>>();
        foreach (var document in documents.Where(each => each.Ids.Length > 0).OrderByDescending(each => each.Ids.Length))   // a stable sort
        {
            var (size, room) = (document.Ids.Length, length);
            List<LabelledSequence> bin;
            if (rooms.GetViewBetween(size, length) is { Count: > 0 } fitting)
            {
                room = fitting.Min;
                bin = binsByRoom[room].Dequeue();   // of equal bins the one that got this room first
                if (binsByRoom[room].Count == 0) rooms.Remove(room);
            }
            else bins.Add(bin = []);
            bin.Add(document);
            room -= size;
            if (room == 0) continue;
            if (!binsByRoom.TryGetValue(room, out var queue)) binsByRoom[room] = queue = new();
            queue.Enqueue(bin);
            rooms.Add(room);
        }
        return [.. bins.Select(bin => bin.ToArray())];
    }
}
