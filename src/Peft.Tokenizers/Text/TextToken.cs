namespace Peft.Tokenizers;

/// <summary>A token of a model, with its range in the piece of text.</summary>
internal readonly record struct TextToken(int Id, string Value, int Start, int End);
