using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Rotary embeddings of interleaved pairs (0, 1), (2, 3), … as those of the pairs (0, d/2), (1, d/2 + 1), …, which the kernels compute: queries and keys are permuted alike, so that their
/// products are the same.
/// </summary>
internal static class InterleavedPairs
{
    /// <summary>Puts the first numbers of all pairs before the second ones, in the first dimensions of heads <c>[…, size]</c>.</summary>
    public static Tensor Apart(Tensor heads, int rotated) => Permuted(heads, rotated, 2);

    /// <summary>The inverse.</summary>
    public static Tensor Together(Tensor heads, int rotated) => Permuted(heads, rotated, rotated / 2);

    private static Tensor Permuted(Tensor heads, int rotated, int width)
    {
        using var scope = NewDisposeScope();
        var sizes = heads.Sizes();
        var turned = heads.narrow(-1, 0, rotated).reshape([.. sizes[..^1], rotated / width, width]).transpose(-1, -2).reshape([.. sizes[..^1], rotated]);
        return (rotated == sizes[^1] ? turned : cat([turned, heads.narrow(-1, rotated, sizes[^1] - rotated)], -1)).MoveToOuterDisposeScope();
    }
}
