namespace Peft.Kernels;

/// <summary>One sequence within the rows <c>[positions, heads, size]</c> of a tensor.</summary>
/// <param name="Start">Index of its first row after the prefix.</param>
/// <param name="Length">Number of its positions, including the prefix.</param>
/// <param name="Keys">Number of its first positions that are keys, at least one; the others are padding. Padding is not supported together with a window.</param>
/// <param name="HasOwnAngles">True if the angle tables have an entry for each row, false if they have one for each position.</param>
/// <param name="PrefixStart">Index of the prefix's first row.</param>
/// <param name="PrefixLength">Number of its first positions that belong to another sequence and are only keys here.</param>
internal readonly record struct AttentionSpan(int Start, int Length, int Keys, bool HasOwnAngles, int PrefixStart = 0, int PrefixLength = 0)
{
    /// <summary>Returns the row of a position.</summary>
    public int Row(int position) => position < PrefixLength ? PrefixStart + position : Start + position - PrefixLength;
}
