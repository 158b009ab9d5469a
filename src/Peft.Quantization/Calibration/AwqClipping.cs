using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>AWQ's search for the range of each group, as AutoAWQ has it: of the ranges from the largest weight down to half of it, the one whose rounded weights err least on the sampled inputs of the group.</summary>
internal static class AwqClipping
{
    private const int Steps = 20;
    private const double MaximumShrinkage = 0.5;

    // The products of queries and keys depend on both, so that the error of their outputs says little.
    private static readonly string[] Attention = ["q_", "k_", "query", "key", "qkv", "c_attn"];

    /// <summary>True for modules whose weights are clipped: all but queries and keys.</summary>
    public static bool Clips(string path) => !Attention.Any(path[(path.LastIndexOf('.') + 1)..].Contains);

    /// <summary>The weights, clipped.</summary>
    /// <param name="matrix"><c>[in, out]</c></param>
    /// <param name="gram">The mean of x·xᵀ of its inputs, <c>[in, in]</c>.</param>
    /// <param name="size">Inputs per group.</param>
    /// <param name="bits">Bits per code.</param>
    /// <param name="path">The module, for error messages.</param>
    public static Tensor Run(Tensor matrix, Tensor gram, int size, int bits, string path)
    {
        using var scope = NewDisposeScope();
        var grouped = matrix.view(-1, size, matrix.size(1));
        // The part of each group, [groups, size, size]: the outputs of a group are the squares that are summed.
        var own = gram.view(grouped.size(0), size, grouped.size(0), size).diagonal(dim1: 0, dim2: 2).permute(2, 0, 1).contiguous();
        var largest = grouped.abs().amax([1], keepdim: true);
        var (range, least) = (largest.clone(), full_like(largest, Constant(double.PositiveInfinity)));
        for (var step = 0; step < Steps * MaximumShrinkage; step++)
        {
            using var each = NewDisposeScope();
            var limit = largest.mul(Constant(1 - (double)step / Steps));
            var clipped = Clip(grouped, limit);
            var grid = GroupGrid.Of(clipped, bits, false, path);
            var difference = grid.Values(grid.Codes(clipped)).sub_(grouped);
            var error = own.bmm(difference).mul_(difference).sum(dim: 1, keepdim: true);
            var isBetter = error.lt(least);
            least.copy_(where(isBetter, error, least));
            range.copy_(where(isBetter, limit, range));
        }
        return Clip(grouped, range).view(matrix.shape).MoveToOuterDisposeScope();
    }

    private static Tensor Clip(Tensor values, Tensor limit) => minimum(maximum(values, limit.neg()), limit);
}
