namespace Peft.Adapters;

/// <summary>
/// Invertible adapters (Pfeiffer et al. 2020, arXiv:2005.00052): a coupling layer after the embeddings, and its inverse before the
/// language model head.
/// </summary>
internal static class InvertibleLayers
{
    public static IEnumerable<AdapterLayer> For(BottleneckOptions options, ModelTree model)
    {
        // BERT-like models normalize the sum of their embeddings: the adapter follows that norm.
        var embeddings = model.Targets.FirstOrDefault(target => ModuleSelector.Means("embeddings.LayerNorm", target.Path)) ?? model.InputEmbeddings
            ?? throw new AdapterOptionsException($"Invertible '{options.Invertible}' needs a pretrained transformer with token embeddings, but the model is a {model.Model.GetType().Name}. Set Invertible to null.");
        var layer = new InvertibleLayer(embeddings, options);
        yield return layer;
        if (model.Head is { } head && model.TaskType is not ("SEQ_CLS" or "TOKEN_CLS" or "QUESTION_ANS")) yield return new InverseLayer(head, layer);
    }
}
