namespace Peft.Models;

/// <summary>A token that a model found, with its range in the piece of text that the model was given.</summary>
internal readonly record struct TextToken(int Id, string Value, int Start, int End);
