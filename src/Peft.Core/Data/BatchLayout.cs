namespace Peft;

/// <summary>How a batch combines sequences of different lengths.</summary>
public enum BatchLayout
{
    /// <summary>One row per sequence, padded on the right, with an attention mask.</summary>
    Padded,

    /// <summary>All sequences concatenated in one row, without padding; <see cref="Batch.PackedLengths"/> contains their lengths.</summary>
    Packed,
}
