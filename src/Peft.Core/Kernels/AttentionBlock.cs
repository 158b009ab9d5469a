namespace Peft.Kernels;

/// <summary>
/// Up to 48 consecutive queries of a sequence, in groups of 16, and the keys to which they attend. Their scores <c>[keys, queries]</c> are computed in parts: pieces of the keys that all groups have in common,
/// and for each group the keys that it has before and after those.
/// </summary>
internal readonly struct AttentionBlock
{
    /// <summary>Number of queries of a group, and of a block at most.</summary>
    public const int Group = AttentionWeights.Queries, Queries = 3 * Group;

    /// <summary>Most keys of a part: their scores stay in the L1 cache.</summary>
    public const int Piece = 64;

    private readonly int? window;
    private readonly int end, shared, sharedEnd;   // positions of keys: the end, and those that all groups have in common
    private readonly bool causal;

    /// <summary>Creates the block that starts at a query.</summary>
    public AttentionBlock(AttentionShape shape, AttentionSpan span, int first)
    {
        (First, Count, window, causal, end) = (first, Math.Min(Queries, span.Length - first), shape.Window, shape.Causal, span.Keys);
        Groups = (Count + Group - 1) / Group;
        shared = Range(Groups - 1).Start;
        sharedEnd = Math.Max(shared, Range(0).End);
    }

    /// <summary>Position of the first query.</summary>
    public int First { get; }

    /// <summary>Number of queries.</summary>
    public int Count { get; }

    /// <summary>Number of groups; the last one may be incomplete.</summary>
    public int Groups { get; }

    /// <summary>Number of lanes: the row stride of the scores.</summary>
    public int Lanes => Groups * Group;

    /// <summary>Position of the first key.</summary>
    public int Low => Range(0).Start;

    /// <summary>Position after the last key.</summary>
    public int High => Range(Groups - 1).End;

    /// <summary>Number of parts. Some may be empty.</summary>
    public int Parts => Pieces + 2 * Groups;

    private int Pieces => (sharedEnd - shared + Piece - 1) / Piece;

    /// <summary>The keys of a group. With a window, up to seven hidden keys before them complete a tile.</summary>
    public (int Start, int End) Range(int group)
    {
        var first = First + group * Group;
        return (window is { } width ? Math.Max(0, first - width + 1) & ~7 : 0, causal ? Math.Min(Math.Min(first + Group, First + Count), end) : end);
    }

    /// <summary>One of the parts.</summary>
    public AttentionPart Part(int index)
    {
        if (index < Pieces) return new(shared + index * Piece, Math.Min(Piece, sharedEnd - shared - index * Piece), 0, Lanes);
        var (group, side) = Math.DivRem(index - Pieces, 2);
        var (start, end) = Range(group);
        var (from, to) = side == 0 ? (start, Math.Min(shared, end)) : (Math.Max(sharedEnd, start), end);
        return new(from, Math.Max(0, to - from), group * Group, Group);
    }
}
