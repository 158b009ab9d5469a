namespace Peft;

/// <summary>Extracts entities from sequences of tags such as <c>B-location</c>, <c>I-location</c> and <c>O</c>.</summary>
public static class Entities
{
    /// <summary>
    /// Extracts the entities of a sequence by the default rules of seqeval and the CoNLL script: an <c>I</c> after <c>O</c> or after another type also begins an entity, <c>E</c> ends
    /// one, and <c>S</c> is a single-word entity.
    /// </summary>
    /// <param name="tags">One tag per word.</param>
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

    /// <summary>Extracts only entities that are valid in IOB2: <c>B</c>, followed by <c>I</c> of the same type.</summary>
    /// <param name="tags">One tag per word.</param>
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
