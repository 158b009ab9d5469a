namespace Peft.Tokenizers;

/// <summary>A trie of the pieces of a unigram model in training, over code points.</summary>
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

    /// <summary>Advances a search by one character. Returns false if no piece continues with it.</summary>
    /// <param name="node">The current node, initially 0; receives the next one.</param>
    /// <param name="next">The next character.</param>
    /// <param name="piece">Index of the piece that ends here; −1 if none does.</param>
    public bool TryStep(ref int node, int next, out int piece)
    {
        var found = children.TryGetValue((node, next), out node);
        piece = found ? pieces[node] : -1;
        return found;
    }
}
