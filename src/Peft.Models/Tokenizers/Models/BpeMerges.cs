namespace Peft.Models;

/// <summary>Which pairs of tokens merge to which token, and in what order of preference.</summary>
internal sealed class BpeMerges
{
    readonly Dictionary<(int Left, int Right), (int Rank, int Id)> merges = [];
    readonly HashSet<(int Left, int Right)>? joints;

    public BpeMerges(IReadOnlyList<(string Left, string Right)> pairs, Vocabulary vocabulary, string continuingPrefix)
    {
        for (var rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            var rest = continuingPrefix.Length > 0 && right.StartsWith(continuingPrefix, StringComparison.Ordinal) ? right[continuingPrefix.Length..] : right;
            merges[(IdOf(left), IdOf(right))] = (rank, IdOf(left + rest));

            int IdOf(string token) => vocabulary.IdOf(token)
                ?? throw new TokenizerException($"Merge {rank} (\"{left}\" + \"{right}\") needs the token \"{token}\", which the vocabulary lacks: the file is damaged, or vocabulary and merges do not belong together.");
        }
        joints = Joints();
    }

    public bool TryGet(int left, int right, out (int Rank, int Id) merge) => merges.TryGetValue((left, right), out merge);

    /// <summary>Whether any merge, now or later, can reach across the border between two neighbouring initial tokens.</summary>
    public bool CanJoin(int left, int right) => joints is null || joints.Contains((left, right));

    // A border inside a token is where some merge joined its last initial token on the left with its first on the right. With each token's
    // first and last initial token known, these pairs say where a text can be cut without any change to the result.
    HashSet<(int, int)>? Joints()
    {
        var ends = new Dictionary<int, (int First, int Last)>();
        var initial = new HashSet<int>();
        var result = new HashSet<(int, int)>();
        foreach (var ((left, right), (_, id)) in merges.OrderBy(merge => merge.Value.Rank))
        {
            var (first, before) = Ends(left);
            var (after, last) = Ends(right);
            result.Add((before, after));
            // A token taken for an initial one that is a merge after all, or made in two ways with different ends: no simple rule then.
            if (initial.Contains(id) || (ends.TryGetValue(id, out var known) && known != (first, last)))
                return null;
            ends[id] = (first, last);
        }
        return result;

        (int First, int Last) Ends(int id)
        {
            if (ends.TryGetValue(id, out var known))
                return known;
            initial.Add(id);
            return (id, id);
        }
    }
}
