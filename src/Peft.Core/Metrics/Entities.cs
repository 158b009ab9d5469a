namespace Peft;

/// <summary>Some neighbouring words that are one thing.</summary>
/// <param name="Type">What it is, such as <c>location</c>; <c>_</c> where the tags have no types.</param>
/// <param name="Start">Its first word.</param>
/// <param name="End">The word after its last.</param>
public readonly record struct EntitySpan(string Type, int Start, int End);

/// <summary>Entities in sequences of tags such as <c>B-location</c>, <c>I-location</c> and <c>O</c>.</summary>
public static class Entities
{
    /// <summary>
    /// The entities of a sequence, as seqeval reads tags by default and CoNLL's script did before: an <c>I</c> after <c>O</c> or after another type begins an entity too; <c>E</c> ends
    /// one, and <c>S</c> is one word long.
    /// </summary>
    /// <param name="tags">A tag for each word.</param>
    public static IReadOnlyList<EntitySpan> Of(IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var found = new List<EntitySpan>();
        var (before, start) = (Tag.Outside, 0);
        for (var i = 0; i <= tags.Count; i++)
        {
            var tag = i < tags.Count ? Tag.Parse(tags[i]) : Tag.Outside;
            if (Ends(before, tag)) found.Add(new(before.Type, start, i));
            if (Begins(before, tag)) start = i;
            before = tag;
        }
        return found;
    }

    /// <summary>The entities that are tagged as IOB2 wants it, and no others: <c>B</c>, then <c>I</c> of the same type.</summary>
    /// <param name="tags">A tag for each word.</param>
    public static IReadOnlyList<EntitySpan> Strict(IReadOnlyList<string> tags)
    {
        ArgumentNullException.ThrowIfNull(tags);
        var found = new List<EntitySpan>();
        for (var i = 0; i < tags.Count; i++)
        {
            if (Tag.Parse(tags[i]) is not { Position: 'B' } first) continue;
            var end = i + 1;
            while (end < tags.Count && Tag.Parse(tags[end]) == first with { Position = 'I' }) end++;
            found.Add(new(first.Type, i, end));
        }
        return found;
    }

    private static bool Ends(Tag before, Tag tag)
        => before.Position is 'E' or 'S' || (before.Position is 'B' or 'I' && tag.Position is 'B' or 'S' or 'O') || (before.IsInside && before.Type != tag.Type);

    private static bool Begins(Tag before, Tag tag)
        => tag.Position is 'B' or 'S' || (before.Position is 'E' or 'S' or 'O' && tag.Position is 'E' or 'I') || (tag.IsInside && before.Type != tag.Type);

    private readonly record struct Tag(char Position, string Type)
    {
        public static Tag Outside { get; } = new('O', "O");

        public bool IsInside => Position is not ('O' or '.');

        // "B-location"; the type of a bare "B" is "_".
        public static Tag Parse(string tag)
        {
            if (string.IsNullOrEmpty(tag) || tag == "O") return Outside;
            var type = tag[(tag.IndexOf('-', StringComparison.Ordinal) is > 0 and var dash ? dash + 1 : 1)..];
            return new(tag[0], type.Length > 0 ? type : "_");
        }
    }
}

public static partial class Metrics
{
    /// <summary>Precision, recall and F1 of entities: one is right if its type, its first and its last word are (<c>seqeval.metrics</c>, micro average).</summary>
    /// <param name="predicted">A tag for each word of each sequence.</param>
    /// <param name="expected">The right ones.</param>
    /// <param name="strict">Whether only entities count that are tagged as IOB2 wants it (<see cref="Entities.Strict"/>), as seqeval's mode <c>strict</c> does.</param>
    /// <exception cref="ArgumentException">The numbers of sequences or of a sequence's tags differ, or there are none.</exception>
    public static FScore EntityScore(IReadOnlyList<IReadOnlyList<string>> predicted, IReadOnlyList<IReadOnlyList<string>> expected, bool strict = false)
    {
        Require(predicted, expected);
        long right = 0, found = 0, sought = 0;
        for (var row = 0; row < expected.Count; row++)
        {
            if (predicted[row]?.Count != expected[row]?.Count || expected[row] is null)
                throw new ArgumentException($"Sequence {row} has {predicted[row]?.Count ?? 0} predicted tags, but {expected[row]?.Count ?? 0} words.", nameof(predicted));
            var (of, to) = strict ? (Entities.Strict(predicted[row]), Entities.Strict(expected[row])) : (Entities.Of(predicted[row]), Entities.Of(expected[row]));
            right += of.Intersect(to).Count();
            found += of.Count;
            sought += to.Count;
        }
        return FScore.Of(right, found, sought);
    }
}
