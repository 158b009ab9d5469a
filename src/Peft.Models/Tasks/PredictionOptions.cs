namespace Peft.Models;

/// <summary>How texts are run through a model.</summary>
public record PredictionOptions
{
    /// <summary>Texts that run at the same time. Texts of similar length share a batch. 32.</summary>
    public int BatchSize { get; init; } = 32;

    /// <summary>Most tokens of a text, special ones included; null for what the tokenizer and the model allow.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Whether longer texts are cut, or refused. True.</summary>
    public bool Truncate { get; init; } = true;
}
