namespace Peft.Models;

/// <summary>A bias per head that depends on the distance between query and key, in buckets that widen with the distance (Raffel et al. 2019, arXiv:1910.10683).</summary>
/// <param name="Buckets">Number of buckets.</param>
/// <param name="MaxDistance">This and all larger distances share the last bucket.</param>
public sealed record RelativePositions(int Buckets, int MaxDistance)
{
    /// <summary>True if each layer has its own biases (UMT5); false if all use those of the first.</summary>
    public bool PerLayer { get; init; }
}
