namespace Peft.Models;

/// <summary>Options for predictions.</summary>
public record PredictionOptions
{
    /// <summary>Number of texts per batch. Batches have texts of similar length. Default 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Maximum number of tokens of a text, special tokens included; null for the limit of tokenizer and model.</summary>
    public int? MaxLength { get; init; }

    /// <summary>True to truncate longer texts, false to reject them. Default true.</summary>
    public bool Truncate { get; init; } = true;
}
