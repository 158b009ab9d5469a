namespace Peft.Tokenizers;

/// <summary>A span of text: a match of a pattern, or the text between matches.</summary>
internal readonly record struct TextMatch(int Start, int End, bool IsMatch);
