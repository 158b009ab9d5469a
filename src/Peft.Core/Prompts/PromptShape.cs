namespace Peft;

/// <summary>The sizes of a transformer on which virtual tokens depend.</summary>
/// <param name="HiddenSize">Width of an embedding.</param>
/// <param name="LayerCount">Number of layers; for an encoder-decoder model those of the encoder, as in Hugging Face PEFT.</param>
/// <param name="HeadCount">Number of attention heads.</param>
/// <param name="KeyValueHeadCount">Number of key/value heads.</param>
/// <param name="HeadSize">Width of a head.</param>
/// <param name="SubmoduleCount">2 for an encoder-decoder model, otherwise 1.</param>
/// <param name="IsCausal">True for a decoder, which predicts the next token.</param>
public sealed record PromptShape(int HiddenSize, int LayerCount, int HeadCount, int KeyValueHeadCount, int HeadSize, int SubmoduleCount, bool IsCausal)
{
    /// <summary>Number of layers with a key/value prefix: for an encoder-decoder model those of the decoder.</summary>
    public int PrefixedLayerCount { get; init; } = LayerCount;

    /// <summary>Factor by which the model scales looked-up embeddings (Gemma: √hidden).</summary>
    public double LookupScale { get; init; } = 1;
}
