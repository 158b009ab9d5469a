namespace Peft.Models;

/// <summary>Options for embedding texts.</summary>
public sealed record EmbedOptions : PredictionOptions
{
    /// <summary>The hidden state that represents a text. Default mean, as in sentence encoders.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>True to scale the vectors to length 1, so that their dot products are cosine similarities. Default true.</summary>
    public bool Normalize { get; init; } = true;
}
