namespace Peft.Tokenizers;

/// <summary>The pieces of a unigram model in training, found by the code points at a position of a word.</summary>
internal sealed class PieceTrie
{
    private readonly Dictionary<(int Node, int Next), int> children = [];
    private readonly List<int> pieces = [-1];

    public void Add(ReadOnlySpan<int> piece, int index)
    {
        var node = 0;
        foreach (var character in piece)
        {
            if (!children.TryGetValue((node, character), out var child))
            {
                children[(node, character)] = child = pieces.Count;
                pieces.Add(-1);
            }
            node = child;
        }
        pieces[node] = index;
    }

    /// <summary>Continues a search by one character. Returns false if no piece continues so.</summary>
    /// <param name="node">The node so far, 0 at first; becomes the next one.</param>
    /// <param name="next">The next character.</param>
    /// <param name="piece">Index of the piece that ends here; −1 if none does.</param>
    public bool TryStep(ref int node, int next, out int piece)
    {
        var found = children.TryGetValue((node, next), out node);
        piece = found ? pieces[node] : -1;
        return found;
    }
}
