namespace Peft.Models;

/// <summary>Which pairs of tokens merge to which token, and in what order of preference.</summary>
internal sealed class BpeMerges
{
    readonly Dictionary<long, (int Rank, int Id)> merges = [];
    readonly HashSet<(char Left, char Right)>? joints;

    public BpeMerges(IReadOnlyList<(string Left, string Right)> pairs, Vocabulary vocabulary, string continuingPrefix)
    {
        for (var rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            var rest = continuingPrefix.Length > 0 && right.StartsWith(continuingPrefix, StringComparison.Ordinal) ? right[continuingPrefix.Length..] : right;
            merges[Key(IdOf(left), IdOf(right))] = (rank, IdOf(left + rest));

            int IdOf(string token) => vocabulary.IdOf(token)
                ?? throw new TokenizerException($"Merge {rank} (\"{left}\" + \"{right}\") needs the token \"{token}\", which the vocabulary lacks: the file is damaged, or vocabulary and merges do not belong together.");
        }
        // Byte tokens are not spelled as what they stand for: where they merge, characters say nothing.
        if (pairs.Any(pair => IsByte(pair.Left) || IsByte(pair.Right)))
            return;
        joints = [.. pairs.Where(pair => pair.Left.Length > 0 && pair.Right.Length > 0).Select(pair => (pair.Left[^1], pair.Right[0]))];
    }

    public bool TryGet(int left, int right, out (int Rank, int Id) merge) => merges.TryGetValue(Key(left, right), out merge);

    /// <summary>
    /// Whether a merge can reach across the border between two characters. A border inside a token is where some merge joined its two parts, so
    /// where no merge joins these two, the text can be cut without any change to the result.
    /// </summary>
    public bool CanJoin(char left, char right) => joints is null || joints.Contains((left, right));

    static bool IsByte(string token) => ByteFallbackDecoder.TryGetByte(token, out _);

    // A number hashes faster than a pair.
    static long Key(int left, int right) => ((long)left << 32) | (uint)right;
}
