namespace Peft.Kernels;

/// <summary>Shapes and settings of an attention call.</summary>
/// <param name="Heads">Number of query heads.</param>
/// <param name="KeyValueHeads">Number of key/value heads; each serves the same number of query heads.</param>
/// <param name="Size">Size of a head, a multiple of 8.</param>
/// <param name="Rotated">Number of dimensions of a head that the rotary embedding rotates; 0 for none.</param>
/// <param name="Scale">Factor of the scores.</param>
/// <param name="Window">Number of positions that a query attends to, including itself; null for all preceding ones.</param>
/// <param name="Causal">True if a query attends to no later key. Required for a window.</param>
/// <param name="Dropout">Dropout of the weights; null for none.</param>
internal sealed record AttentionShape(int Heads, int KeyValueHeads, int Size, int Rotated, float Scale, int? Window, bool Causal = true, DropoutMask? Dropout = null);
