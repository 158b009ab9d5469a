namespace Peft.Models;

/// <summary>Types of transformers.</summary>
public enum TransformerKind
{
    /// <summary>A single stack in which a position attends only to earlier ones and itself.</summary>
    Decoder,

    /// <summary>A single stack in which a position attends to all.</summary>
    Encoder,

    /// <summary>An encoder, and a decoder with cross-attention to its output.</summary>
    EncoderDecoder,
}
