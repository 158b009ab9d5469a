namespace Peft;

/// <summary>Numbers of virtual tokens that precede a row's input.</summary>
/// <param name="Embeddings">Number of embeddings that precede the input.</param>
/// <param name="DecoderEmbeddings">Number of embeddings that precede the decoder's input, for an encoder-decoder model.</param>
/// <param name="Prefix">Number of positions that precede the input and consist only of keys and values.</param>
/// <param name="Labels">The labels of the embeddings; null if the loss ignores them.</param>
public sealed record PromptRow(int Embeddings, int DecoderEmbeddings, int Prefix, VirtualLabels? Labels)
{
    internal static PromptRow Of(IReadOnlyList<PromptLayer> layers)
        => new(layers.Sum(layer => layer.EmbeddingCount), layers.OfType<IPromptsDecoder>().Sum(layer => layer.DecoderEmbeddingCount), layers.OfType<IPrefix>().Sum(layer => layer.PrefixCount), LabelsOf(layers));

    private static VirtualLabels? LabelsOf(IReadOnlyList<PromptLayer> layers)
    {
        if (!layers.OfType<ILabelsTokens>().Any()) return null;
        var each = layers.Where(layer => layer.EmbeddingCount > 0).Select(layer => (layer as ILabelsTokens)?.Labels ?? VirtualLabels.None(layer.EmbeddingCount)).ToList();
        return new([.. each.SelectMany(labels => labels.Ids)], [.. each.SelectMany(labels => labels.Weights)], each.All(labels => labels.CountsInput));
    }
}
