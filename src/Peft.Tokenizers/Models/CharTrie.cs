namespace Peft.Tokenizers;

/// <summary>A trie that finds all entries that begin at a position of a string.</summary>
internal sealed class CharTrie
{
    private readonly Dictionary<(int Node, char Next), int> children = [];
    private readonly List<int> ids = [-1];

    public void Add(string entry, int id)
    {
        if (entry.Length == 0)
            return;
        var node = 0;
        foreach (var c in entry)
        {
            if (!children.TryGetValue((node, c), out var child))
            {
                child = ids.Count;
                ids.Add(-1);
                children[(node, c)] = child;
            }
            node = child;
        }
        ids[node] = id;
    }

    /// <summary>Ends and ids of the entries that start at a position, shortest first.</summary>
    public IEnumerable<(int End, int Id)> PrefixesAt(string text, int start)
    {
        var node = 0;
        for (var i = start; i < text.Length && children.TryGetValue((node, text[i]), out node); i++)
        {
            if (ids[node] >= 0)
                yield return (i + 1, ids[node]);
        }
    }
}
