using Peft.Tokenizers;

namespace Peft;

/// <summary>Options for encoding texts. By default, special tokens are added, and texts are neither truncated nor padded.</summary>
public sealed record EncodeOptions
{
    /// <summary>True to add the special tokens of the post-processor, such as a begin-of-sequence token.</summary>
    public bool AddSpecialTokens { get; init; } = true;

    /// <summary>Maximum number of tokens, special tokens included; longer texts are truncated. Null for no truncation. At least 1.</summary>
    public int? MaxLength { get; init; }

    /// <summary>The text of a pair to truncate.</summary>
    public TruncationStrategy Truncation { get; init; } = TruncationStrategy.LongestFirst;

    /// <summary>The side to truncate; null for that of <c>tokenizer_config.json</c>, or else the right.</summary>
    public Side? TruncationSide { get; init; }

    /// <summary>The length to pad to.</summary>
    public PaddingStrategy Padding { get; init; }

    /// <summary>Pads to a multiple of this length, which is efficient on tensor cores. At least 1.</summary>
    public int PadToMultipleOf { get; init; } = 1;

    /// <summary>The side to pad; null for that of <c>tokenizer_config.json</c>, or else the right. Generation needs left padding.</summary>
    public Side? PaddingSide { get; init; }

    /// <summary>The padding token; null for that of the tokenizer. For language models without one, it is usually the end-of-sequence token.</summary>
    public int? PadId { get; init; }

    internal void Validate()
    {
        if (MaxLength < 1)
            throw new ArgumentOutOfRangeException(nameof(MaxLength), MaxLength, "MaxLength must be at least 1.");
        if (PadToMultipleOf < 1)
            throw new ArgumentOutOfRangeException(nameof(PadToMultipleOf), PadToMultipleOf, "PadToMultipleOf must be at least 1.");
        if (Padding == PaddingStrategy.MaxLength && MaxLength is null)
            throw new ArgumentException("PaddingStrategy.MaxLength requires MaxLength.");
    }
}
