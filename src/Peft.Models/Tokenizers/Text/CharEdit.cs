using System.Text;

namespace Peft.Models;

/// <summary>
/// One character of a normalized text and what it stands for: with <see cref="Change"/> 0 it replaces the next character of the old text,
/// with 1 it is inserted, with -n it replaces the next one and the n after it are dropped.
/// </summary>
internal readonly record struct CharEdit(Rune Char, int Change);
