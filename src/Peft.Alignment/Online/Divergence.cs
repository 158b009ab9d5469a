using static TorchSharp.torch;

namespace Peft;

/// <summary>The divergence of the policy from the reference on completions that the policy sampled: log-ratios.</summary>
/// <param name="Sums">The sum over each completion's tokens.</param>
/// <param name="Tokens">Number of tokens.</param>
internal sealed record Divergence(double[] Sums, double Tokens)
{
    /// <param name="batches">Log-ratios <c>[rows, width]</c> and masks of each batch.</param>
    public static Divergence Of(IReadOnlyList<(Tensor LogRatios, Tensor Mask)> batches)
    {
        using var scope = NewDisposeScope();
        return new([.. batches.SelectMany(each => each.LogRatios.mul(each.Mask).sum(dim: 1).cpu().data<float>().ToArray().Select(value => (double)value))],
            batches.Sum(each => (double)each.Mask.sum().item<float>()));
    }

    /// <summary>The mean over tokens.</summary>
    public double Mean => Sums.Sum() / Math.Max(1, Tokens);
}
