namespace Peft.Kernels;

/// <summary>Some keys of an <see cref="AttentionBlock"/>, and the lanes of the queries for which they are computed at a time.</summary>
/// <param name="Key">Position of the first key.</param>
/// <param name="Keys">Number of keys; 0 for an empty part.</param>
/// <param name="Lane">The first lane.</param>
/// <param name="Lanes">Number of lanes: whole groups.</param>
internal readonly record struct AttentionPart(int Key, int Keys, int Lane, int Lanes);
