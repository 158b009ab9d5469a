using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Weights for undesirable rows whose prompts are of another kind than those of desirable rows (underlying distribution matching of BCO, arXiv:2404.04656): the density ratio p / (1 − p), where p is the
/// probability, by a logistic regression on the prompts' embeddings, that a row with this prompt is desirable. The defaults are TRL's.
/// </summary>
/// <param name="Embed">Returns the embeddings of prompts, <c>[texts, dimensions]</c>: those of a sentence encoder, for example.</param>
public sealed record DensityRatioOptions(Func<IReadOnlyList<string>, Tensor> Embed)
{
    /// <summary>Returns the embeddings of prompts, <c>[texts, dimensions]</c>.</summary>
    public Func<IReadOnlyList<string>, Tensor> Embed { get; init; } = Embed ?? throw new ArgumentNullException(nameof(Embed));

    /// <summary>Number of rows of each kind that the regression learns from, at least 1. 1,024 by default.</summary>
    public int SampleSize { get; init; } = 1024;

    /// <summary>Minimum weight. 0.5 by default.</summary>
    public double Minimum { get; init; } = 0.5;

    /// <summary>Maximum weight. 10 by default.</summary>
    public double Maximum { get; init; } = 10;

    /// <summary>Number of prompts that are embedded together. 64 by default.</summary>
    public int BatchSize { get; init; } = 64;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(SampleSize, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchSize, 1);
        if (!(Minimum >= 0 && Minimum <= Maximum && double.IsFinite(Maximum))) throw new ArgumentException($"The weights must be between a Minimum of at least 0 and a finite Maximum, but were {Minimum} and {Maximum}.");
    }
}
