using System.Text;

namespace Peft.Tokenizers;

/// <summary>
/// A character of a normalized text and its alignment: with <see cref="Change"/> 0 it replaces the next character of the old text,
/// with 1 it is inserted, with -n it replaces the next character and the n characters that follow are removed.
/// </summary>
internal readonly record struct CharEdit(Rune Char, int Change);
