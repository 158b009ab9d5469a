using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Collects statistics of predictions, chunk by chunk. The tensors belong to the dispose scope in which the collector is created.</summary>
internal sealed class StatisticsOfRows(TokenStatistics wanted, long rows, Device device)
{
    private readonly Dictionary<TokenStatistics, Tensor> values = Enum.GetValues<TokenStatistics>().Where(each => each is not (TokenStatistics.None or TokenStatistics.MeanLogitOfAllPositions) && wanted.HasFlag(each))
        .ToDictionary(each => each, _ => empty(rows, ScalarType.Float32, device));
    private long filled;

    /// <summary>The values of a statistic, <c>[rows]</c>; null if it was not requested.</summary>
    public Tensor? this[TokenStatistics which] => values.GetValueOrDefault(which);

    /// <summary>True if none was requested.</summary>
    public bool IsEmpty => values.Count == 0;

    /// <summary>Adds the statistics of the next rows.</summary>
    /// <param name="logits">Logits <c>[rows, vocabulary]</c>.</param>
    /// <param name="logProbabilities">Their log-probabilities.</param>
    /// <param name="target">Ids <c>[rows, 1]</c>.</param>
    public void Add(Tensor logits, Tensor logProbabilities, Tensor target)
    {
        if (filled == rows) return;   // the backward pass computes the rows again
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var count = logits.size(0);
        foreach (var (which, into) in values)
            into.narrow(0, filled, count).copy_(which switch
            {
                TokenStatistics.Entropy => logProbabilities.exp().mul(logProbabilities).sum(dim: -1).neg(),
                TokenStatistics.LogSquaredSum => logProbabilities.mul(Constant(2)).logsumexp(-1),
                TokenStatistics.MeanLogit => logits.mean([-1]),
                _ => logits.argmax(-1).eq(target.squeeze(1)),
            });
        filled += count;
    }

    /// <summary>Adds the statistics of all rows.</summary>
    /// <param name="sums">The sums of each row.</param>
    /// <param name="vocabulary">Number of logits.</param>
    public void Add(TokenSums[] sums, long vocabulary)
    {
        using var scope = NewDisposeScope();
        foreach (var (which, into) in values)
            into.copy_(tensor(Array.ConvertAll(sums, each => (float)(which switch
            {
                TokenStatistics.Entropy => each.Entropy,
                TokenStatistics.LogSquaredSum => each.LogSquaredSum,
                TokenStatistics.MeanLogit => each.Total / vocabulary,
                _ => each.IsGreedy ? 1 : 0,
            }))));
        filled = rows;
    }
}
