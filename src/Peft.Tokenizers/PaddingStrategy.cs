namespace Peft;

/// <summary>The length to pad to.</summary>
public enum PaddingStrategy
{
    /// <summary>No padding.</summary>
    None,
    /// <summary>Pads to the longest text of the batch.</summary>
    Longest,
    /// <summary>Pads to <see cref="EncodeOptions.MaxLength"/>.</summary>
    MaxLength,
}
