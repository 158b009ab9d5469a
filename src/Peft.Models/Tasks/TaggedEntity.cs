namespace Peft.Models;

/// <summary>Adjacent words that form an entity.</summary>
/// <param name="Type">Type of the entity, such as <c>location</c>.</param>
/// <param name="Text">The words, verbatim from the text.</param>
/// <param name="Start">Index of its first character in the text.</param>
/// <param name="End">Index after its last character.</param>
/// <param name="Probability">Mean probability of the words' tags.</param>
public sealed record TaggedEntity(string Type, string Text, int Start, int End, double Probability);
