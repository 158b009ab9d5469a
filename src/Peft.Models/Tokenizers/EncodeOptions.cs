namespace Peft.Models;

/// <summary>How texts are encoded. Without any setting: special tokens, no truncation, no padding.</summary>
public sealed record EncodeOptions
{
    /// <summary>Whether the model's template is applied, such as a leading begin-of-sequence token.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>Longest result in tokens, special ones included; longer texts are cut. Null does not cut. At least 1.</summary>
    public int? MaxLength { get; init; }

    /// <summary>Which of two texts gives way.</summary>
    public TruncationStrategy Truncation { get; init; } = TruncationStrategy.LongestFirst;

    /// <summary>Which end of a text is cut off; null as <c>tokenizer_config.json</c> says, the right otherwise.</summary>
    public Side? TruncationSide { get; init; }

    /// <summary>Up to what length padding is added.</summary>
    public PaddingStrategy Padding { get; init; }

    /// <summary>Makes padded lengths multiples of this number, as tensor cores like. At least 1.</summary>
    public int PadToMultipleOf { get; init; } = 1;

    /// <summary>Where padding goes; null as <c>tokenizer_config.json</c> says, the right otherwise. Generation needs the left.</summary>
    public Side? PaddingSide { get; init; }

    /// <summary>Id of the padding; null for the tokenizer's own. Language models without one often take the end-of-sequence token.</summary>
    public int? PadId { get; init; }

    internal void Validate()
    {
        if (MaxLength < 1)
            throw new ArgumentOutOfRangeException(nameof(MaxLength), MaxLength, "MaxLength must be at least 1.");
        if (PadToMultipleOf < 1)
            throw new ArgumentOutOfRangeException(nameof(PadToMultipleOf), PadToMultipleOf, "PadToMultipleOf must be at least 1.");
        if (Padding == PaddingStrategy.MaxLength && MaxLength is null)
            throw new ArgumentException("Padding to MaxLength needs a MaxLength.");
    }
}

/// <summary>An end of a sequence.</summary>
public enum Side
{
    /// <summary>The end.</summary>
    Right,
    /// <summary>The beginning.</summary>
    Left,
}

/// <summary>Up to what length padding is added.</summary>
public enum PaddingStrategy
{
    /// <summary>None.</summary>
    None,
    /// <summary>The longest of the batch.</summary>
    Longest,
    /// <summary><see cref="EncodeOptions.MaxLength"/>.</summary>
    MaxLength,
}

/// <summary>Which of two texts gives way when both are too long.</summary>
public enum TruncationStrategy
{
    /// <summary>The longer one, until both are equal.</summary>
    LongestFirst,
    /// <summary>The first; an error if that is not enough.</summary>
    OnlyFirst,
    /// <summary>The second; an error if that is not enough.</summary>
    OnlySecond,
}
