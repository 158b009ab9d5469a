namespace Peft;

/// <summary>The contiguous part of a buffer that one parameter group fills.</summary>
internal readonly record struct FlatRange(int Group, long Start, long Length);
