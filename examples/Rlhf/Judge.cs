namespace Rlhf;

/// <summary>Stands in for people: likes stories with cheerful words and dislikes sad ones. What it says can be computed, so that it is known what a reward model misses.</summary>
internal static class Judge
{
    /// <summary>The best score. The worst is its negative.</summary>
    public const double Bound = 1;

    private const int Enough = 3;   // more words than these do not count, nor does a word that is repeated

    private static readonly HashSet<string> Cheerful =
        ["happy", "happily", "smile", "smiled", "smiles", "laugh", "laughed", "love", "loved", "loves", "fun", "hug", "hugged", "hugs", "friend", "friends", "kind", "glad", "proud", "joy", "nice", "excited", "beautiful"];

    private static readonly HashSet<string> Sad = ["sad", "cry", "cried", "scared", "afraid", "angry", "mad", "hurt", "lost", "alone", "sorry", "bad", "broke", "fell", "sick", "dark"];

    /// <summary>The score of a story: different cheerful words less different sad words, in thirds, from −1 to 1.</summary>
    public static double Score(string story)
    {
        var words = Words(story).ToHashSet();
        return Math.Clamp((words.Count(Cheerful.Contains) - words.Count(Sad.Contains)) / (double)Enough, -Bound, Bound);
    }

    private static IEnumerable<string> Words(string story)
        => new string([.. story.ToLowerInvariant().Select(letter => char.IsLetter(letter) ? letter : ' ')]).Split(' ', StringSplitOptions.RemoveEmptyEntries);
}
