namespace Peft.Models;

/// <summary>A text with tags and entities.</summary>
/// <param name="Text">The text. Words that were passed separately are joined by spaces.</param>
/// <param name="Words">The words.</param>
public sealed record TaggedText(string Text, IReadOnlyList<TaggedWord> Words)
{
    /// <summary>The words.</summary>
    public IReadOnlyList<TaggedWord> Words { get; init; } = Text is not null && Words is not null && Words.All(word => word is not null) ? Words : throw new ArgumentException("The text or a word is null.", nameof(Words));

    /// <summary>The entities that the words' tags encode (<see cref="Peft.Entities.Of"/>).</summary>
    public IReadOnlyList<TaggedEntity> Entities { get; } = [.. Peft.Entities.Of([.. Words.Select(word => word.Label)]).Select(span =>
    {
        var (start, end) = (Words[span.Start].Start, Words[span.End - 1].End);
        return new TaggedEntity(span.Type, Text[start..end], start, end, Words.Take(span.End).Skip(span.Start).Average(word => word.Probability));
    })];
}
