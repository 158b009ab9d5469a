using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The update of a weight that is the elementwise product of two low-rank products.</summary>
public static class HadamardUpdate
{
    /// <summary>s·(A₁·B₁)∘(A₂·B₂), <c>[rows, columns]</c>.</summary>
    /// <param name="a1">A₁ <c>[rows, rank]</c>.</param>
    /// <param name="b1">B₁ <c>[rank, columns]</c>.</param>
    /// <param name="a2">A₂ <c>[rows, other rank]</c>.</param>
    /// <param name="b2">B₂ <c>[other rank, columns]</c>.</param>
    /// <param name="scale">s</param>
    /// <exception cref="ArgumentException">The shapes or types do not fit.</exception>
    public static Tensor Of(Tensor a1, Tensor b1, Tensor a2, Tensor b2, double scale)
    {
        TensorRules.RequireAlive(a1, nameof(a1));
        TensorRules.RequireAlive(b1, nameof(b1));
        TensorRules.RequireAlive(a2, nameof(a2));
        TensorRules.RequireAlive(b2, nameof(b2));
        if (a1.shape is not [var rows, var rank] || b1.shape is not [var depth, var columns] || a2.shape is not [var otherRows, var otherRank] || b2.shape is not [var otherDepth, var otherColumns]
            || (rank, otherRank, rows, columns) != (depth, otherDepth, otherRows, otherColumns) || !a1.is_floating_point() || (b1.dtype, a2.dtype, b2.dtype) != (a1.dtype, a1.dtype, a1.dtype))
            throw new ArgumentException($"The factors of two products of one shape are [rows, rank] and [rank, columns], of one floating-point type, but are {TensorRules.Describe(a1)}, {TensorRules.Describe(b1)}, {TensorRules.Describe(a2)} and {TensorRules.Describe(b2)}.");
        return HadamardKernel.Supports(a1, b1, a2, b2) ? HadamardKernel.Run(a1, b1, a2, b2, scale) : a1.mul(Constant(scale)).mm(b1).mul(a2.mm(b2));
    }
}
