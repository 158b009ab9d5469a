using static TorchSharp.torch;

namespace Peft;

/// <summary>Contribution of virtual tokens to a language model's loss: they may have labels, and labels have weights.</summary>
/// <param name="Ids">One label per virtual token, <see cref="Batch.IgnoredLabel"/> for none.</param>
/// <param name="Weights">The weight of each label.</param>
/// <param name="CountsInput">True if the labels of the input count, with weight 1.</param>
public sealed record VirtualLabels(IReadOnlyList<long> Ids, IReadOnlyList<double> Weights, bool CountsInput = true)
{
    /// <summary>Creates labels for virtual tokens that the loss ignores.</summary>
    /// <param name="count">Number of virtual tokens.</param>
    public static VirtualLabels None(int count)
    {
        MemoryBudget.Require([count, 2], ScalarType.Int64, null);
        return new([.. Enumerable.Repeat((long)Batch.IgnoredLabel, count)], [.. Enumerable.Repeat(1.0, count)]);
    }
}
