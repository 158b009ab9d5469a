namespace Peft.Tokenizers;

/// <summary>The pairs of tokens that merge, with their results and ranks.</summary>
internal sealed class BpeMerges
{
    private readonly Dictionary<long, (int Rank, int Id)> merges = [];
    private readonly HashSet<(char Left, char Right)>? joints;

    public BpeMerges(IReadOnlyList<(string Left, string Right)> pairs, Vocabulary vocabulary, string continuingPrefix)
    {
        for (var rank = 0; rank < pairs.Count; rank++)
        {
            var (left, right) = pairs[rank];
            var rest = continuingPrefix.Length > 0 && right.StartsWith(continuingPrefix, StringComparison.Ordinal) ? right[continuingPrefix.Length..] : right;
            merges[Key(IdOf(left), IdOf(right))] = (rank, IdOf(left + rest));

            int IdOf(string token) => vocabulary.IdOf(token)
                ?? throw new TokenizerException($"Merge {rank} (\"{left}\" + \"{right}\") requires the token \"{token}\", which the vocabulary lacks: the file is damaged, or vocabulary and merges do not belong together.");
        }
        // Byte tokens are not spelled with the characters that they represent, so their merges do not show which characters can join.
        if (pairs.Any(pair => IsByte(pair.Left) || IsByte(pair.Right)))
            return;
        joints = [.. pairs.Where(pair => pair.Left.Length > 0 && pair.Right.Length > 0).Select(pair => (pair.Left[^1], pair.Right[0]))];
    }

    public bool TryGet(int left, int right, out (int Rank, int Id) merge) => merges.TryGetValue(Key(left, right), out merge);

    /// <summary>
    /// True if a merge can cross the boundary between two characters. A boundary inside a token is where some merge joined its parts, so
    /// if no merge joins these two characters, splitting the text between them does not change the result.
    /// </summary>
    public bool CanJoin(char left, char right) => joints is null || joints.Contains((left, right));

    private static bool IsByte(string token) => ByteFallbackDecoder.TryGetByte(token, out _);

    // A single integer hashes faster than a pair.
    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;
}
