namespace Peft.Tokenizers;

/// <summary>A half-open range of UTF-16 code units.</summary>
internal readonly record struct TextRange(int Start, int End);
