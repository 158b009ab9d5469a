namespace Peft;

/// <summary>A soft prompt that also precedes the decoder's input in an encoder-decoder model.</summary>
public interface IPromptsDecoder
{
    /// <summary>Number of embeddings before the decoder's input.</summary>
    int DecoderEmbeddingCount { get; }
}
