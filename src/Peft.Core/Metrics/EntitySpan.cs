namespace Peft;

/// <summary>An entity: a span of words.</summary>
/// <param name="Type">Type of the entity, such as <c>location</c>; <c>_</c> if the tags have no types.</param>
/// <param name="Start">Index of its first word.</param>
/// <param name="End">Index of the word after its last word.</param>
public readonly record struct EntitySpan(string Type, int Start, int End);
