namespace Peft.Tokenizers;

/// <summary>A distinct word of the training texts, after pre-tokenization.</summary>
/// <param name="Word">The word.</param>
/// <param name="Count">Its frequency.</param>
internal readonly record struct WordCount(string Word, long Count);
