namespace Peft.Tokenizers;

/// <summary>The lattice of all segmentations of a word into pieces: positions of the word are nodes, pieces are edges.</summary>
internal sealed class UnigramLattice
{
    // If two log-probabilities differ by more than this, their sum is the larger one.
    private const double Negligible = 50;

    private readonly List<(int Start, int End, int Piece, double Score)> edges = [];
    private readonly List<int>[] ending;
    private readonly int length;

    /// <summary>Creates the lattice of a word.</summary>
    /// <param name="word">The word's code points.</param>
    /// <param name="trie">The pieces. Piece 0 represents an unknown character.</param>
    /// <param name="scores">Log-probability of each piece.</param>
    /// <param name="unknownScore">Log-probability of a character that is not a piece.</param>
    public UnigramLattice(ReadOnlySpan<int> word, PieceTrie trie, IReadOnlyList<double> scores, double unknownScore)
    {
        length = word.Length;
        ending = [.. Enumerable.Range(0, length + 1).Select(_ => new List<int>())];
        for (var start = 0; start < length; start++)
        {
            var (node, single) = (0, false);
            for (var end = start; end < length && trie.TryStep(ref node, word[end], out var piece); end++)
            {
                if (piece < 0) continue;
                Add(start, end + 1, piece, scores[piece]);
                single |= end == start;
            }
            if (!single) Add(start, start + 1, 0, unknownScore);
        }
    }

    /// <summary>Adds the expected number of occurrences of each piece (forward-backward algorithm).</summary>
    /// <param name="frequency">Frequency of the word.</param>
    /// <param name="expected">The sums, by piece.</param>
    public void AddExpected(double frequency, double[] expected)
    {
        var (before, after) = (new double[length + 1], new double[length + 1]);
        var (reached, reaches) = (new bool[length + 1], new bool[length + 1]);
        foreach (var (start, end, _, score) in edges) before[end] = Sum(before[end], score + before[start], ref reached[end]);
        for (var start = length - 1; start >= 0; start--)
        {
            foreach (var edge in From(start)) after[start] = Sum(after[start], edge.Score + after[edge.End], ref reaches[start]);
        }
        foreach (var (start, end, piece, score) in edges) expected[piece] += frequency * Math.Exp(before[start] + score + after[end] - before[length]);
    }

    /// <summary>The most probable segmentation; of equally probable ones, the one whose last piece is longer.</summary>
    /// <param name="without">A piece that must not be used; null for none.</param>
    /// <returns>Its pieces and its log-probability; no pieces if there is no segmentation.</returns>
    public (IReadOnlyList<int> Pieces, double Score) Best(int? without = null)
    {
        var (scores, previous) = (new double[edges.Count], new int[edges.Count]);
        for (var i = 0; i < edges.Count; i++)
        {
            (previous[i], scores[i]) = edges[i].Piece == without ? (-1, double.NegativeInfinity) : edges[i].Start == 0 ? (-1, edges[i].Score) : BestBefore(edges[i].Start, edges[i].Score);
        }
        var (last, best) = BestBefore(length, 0);
        var pieces = new List<int>();
        if (best > double.NegativeInfinity)
        {
            for (; last >= 0; last = previous[last]) pieces.Add(edges[last].Piece);
        }
        pieces.Reverse();
        return (pieces, best);

        (int, double) BestBefore(int position, double score)
        {
            var (edge, highest) = (-1, double.NegativeInfinity);
            foreach (var candidate in ending[position])
            {
                if (scores[candidate] + score > highest) (edge, highest) = (candidate, scores[candidate] + score);
            }
            return (edge, highest);
        }
    }

    private void Add(int start, int end, int piece, double score)
    {
        ending[end].Add(edges.Count);
        edges.Add((start, end, piece, score));
    }

    private IEnumerable<(int Start, int End, int Piece, double Score)> From(int start)
    {
        var first = edges.BinarySearch((start, 0, 0, 0), Comparer<(int Start, int End, int Piece, double Score)>.Create((a, b) => a.Start != b.Start ? a.Start.CompareTo(b.Start) : a.End.CompareTo(b.End)));
        for (var i = ~first; i < edges.Count && edges[i].Start == start; i++) yield return edges[i];
    }

    // log(eᵃ + eᵇ)
    private static double Sum(double a, double b, ref bool any)
    {
        if (!any)
        {
            any = true;
            return b;
        }
        var (small, large) = a > b ? (b, a) : (a, b);
        return large > small + Negligible ? large : large + Math.Log(Math.Exp(small - large) + 1);
    }
}
