namespace Peft.Models;

/// <summary>Options for tagging texts.</summary>
public sealed record TaggingPredictionOptions
{
    /// <summary>Number of windows per batch. Default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Maximum number of tokens of the model's input; null for the limit of tokenizer and model. Longer texts are split into windows.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Number of tokens that adjacent windows share. A word gets its tag from the window with more context around it. Default 32.</summary>
    public int Stride { get; init; } = 32;
}
