namespace Peft.Kernels;

/// <summary>
/// Consecutive queries of a sequence and the keys to which they attend: the work of a thread at a time, for one key/value head. Sequences are divided so that
/// all threads have work, and with a window so that the keys of a piece stay in the cache.
/// </summary>
/// <param name="Span">The sequence.</param>
/// <param name="First">Position of the first query.</param>
/// <param name="End">Position after the last query.</param>
/// <param name="Low">Position of the first key.</param>
/// <param name="High">Position after the last key.</param>
internal readonly record struct AttentionPiece(AttentionSpan Span, int First, int End, int Low, int High)
{
    private const int MinQueries = 4 * AttentionBlock.Queries, Cached = 512;   // queries
    private const int Shares = 3;   // pieces per thread: threads do not run at the same speed

    /// <summary>Position after the last row of which there is a gradient: keys and own positions.</summary>
    public int Top => Math.Max(High, End);

    /// <summary>Number of keys that are positions of other pieces, so that their gradients must be added.</summary>
    public int Shared => Top - Low - (End - First);

    /// <summary>Divides sequences into pieces; each position that is not in a prefix is a query of one of them.</summary>
    /// <param name="spans">The sequences.</param>
    /// <param name="shape">Sizes and settings.</param>
    /// <param name="threads">Number of threads.</param>
    public static List<AttentionPiece> Of(IReadOnlyList<AttentionSpan> spans, AttentionShape shape, int threads)
    {
        var pieces = new List<AttentionPiece>(spans.Count);
        var all = 0L;
        foreach (var span in spans) all += Work(span, shape);
        var share = all * shape.KeyValueHeads / (double)(Shares * threads);
        foreach (var span in spans)
        {
            var work = Work(span, shape);
            var queries = span.Length - span.PrefixLength;
            var count = threads == 1 ? 1 : Math.Min((int)Math.Ceiling(work / share), queries / MinQueries);
            if (shape.Window is { } window) count = (int)Math.Max(count, (queries - 1) / Math.Max(Cached, 2L * window) + 1);
            Divide(span, shape, Math.Max(1, count), work, pieces);
        }
        return pieces;
    }

    // Pieces of equal work, of whole blocks.
    private static void Divide(AttentionSpan span, AttentionShape shape, int count, long work, List<AttentionPiece> pieces)
    {
        var (start, done, cut) = (span.PrefixLength, 0L, 1);
        for (var first = start; first < span.Length; first += AttentionBlock.Queries)
        {
            if (done * count >= work * cut)
            {
                Add(first);
                cut++;
            }
            done += Keys(span, shape, first);
        }
        Add(span.Length);

        void Add(int end)
        {
            if (end == start) return;
            pieces.Add(new(span, start, end, new AttentionBlock(shape, span, start).Low, shape.Causal ? Math.Min(end, span.Keys) : span.Keys));
            start = end;
        }
    }

    // The number of keys of all blocks.
    private static long Work(AttentionSpan span, AttentionShape shape)
    {
        var sum = 0L;
        for (var first = span.PrefixLength; first < span.Length; first += AttentionBlock.Queries) sum += Keys(span, shape, first);
        return sum;
    }

    private static int Keys(AttentionSpan span, AttentionShape shape, int first)
    {
        var block = new AttentionBlock(shape, span, first);
        return block.High - block.Low;
    }
}
