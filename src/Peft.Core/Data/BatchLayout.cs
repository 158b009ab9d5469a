namespace Peft;

/// <summary>Layout of sequences of different lengths in a batch.</summary>
public enum BatchLayout
{
    /// <summary>One row per sequence, padded on the right, with an attention mask.</summary>
    Padded,

    /// <summary>All sequences concatenated in one row, without padding; <see cref="Batch.PackedLengths"/> holds their lengths.</summary>
    Packed,
}
