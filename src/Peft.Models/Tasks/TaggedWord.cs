namespace Peft.Models;

/// <summary>A word with its tag.</summary>
/// <param name="Text">The word.</param>
/// <param name="Start">Index of its first character in the text.</param>
/// <param name="End">Index after its last character.</param>
/// <param name="Label">The tag; <c>O</c>, or else the model's first tag, for a word that the tokenizer drops.</param>
/// <param name="Probability">Probability of the tag; 0 for a word that the tokenizer drops.</param>
public sealed record TaggedWord(string Text, int Start, int End, string Label, double Probability);
