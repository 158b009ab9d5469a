namespace Peft.Tokenizers;

/// <summary>A distinct word of the training texts, as the pre-tokenizer split it.</summary>
/// <param name="Word">The word.</param>
/// <param name="Count">How often it occurs.</param>
internal readonly record struct WordCount(string Word, long Count);
