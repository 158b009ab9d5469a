using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A model's predictions of given tokens. Each tensor is <c>[batch, sequence − 1]</c> in float32: index t describes the token at t + 1, and is 0 if its label is ignored.</summary>
/// <param name="LogProbabilities">log p of each token, with a gradient.</param>
/// <param name="Mask">1 for each token that has a label, else 0.</param>
public sealed record TokenPredictions(Tensor LogProbabilities, Tensor Mask) : IDisposable
{
    /// <summary>The entropies; null unless requested.</summary>
    public Tensor? Entropy { get; init; }

    /// <summary>log Σ p²; null unless requested.</summary>
    public Tensor? LogSquaredSum { get; init; }

    /// <summary>The mean logits; null unless requested.</summary>
    public Tensor? MeanLogit { get; init; }

    /// <summary>1 for tokens that greedy search would choose; null unless requested.</summary>
    public Tensor? IsGreedy { get; init; }

    /// <summary>The mean logits of all positions, <c>[batch, sequence]</c>; null unless requested.</summary>
    public Tensor? MeanLogitOfAllPositions { get; init; }

    /// <summary>Disposes the tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in new[] { LogProbabilities, Mask, Entropy, LogSquaredSum, MeanLogit, IsGreedy, MeanLogitOfAllPositions }) tensor?.Dispose();
    }
}
