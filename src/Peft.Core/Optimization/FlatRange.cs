namespace Peft;

/// <summary>The contiguous range of one parameter group in a buffer.</summary>
internal readonly record struct FlatRange(int Group, long Start, long Length);
