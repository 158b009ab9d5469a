namespace Peft.Models;

/// <summary>Checks the sizes of a description before its modules are created.</summary>
internal static class SpecRules
{
    /// <exception cref="ModelFolderException">Sizes are invalid or inconsistent.</exception>
    /// <exception cref="NotEnoughMemoryException">The parameters would not fit into the machine's memory.</exception>
    public static void Check(ModelConfig config, TransformerSpec spec, Placement at)
    {
        if (spec.Encoder is { } encoder) Check(config, encoder, at);
        foreach (var (name, value) in Sizes(spec))
            if (value < 1) throw Wrong(config, $"{name} is {value}, but must be at least 1");
        if (spec.HeadCount % spec.KeyValueHeadCount != 0) throw Wrong(config, $"the number of heads, {spec.HeadCount}, is not divisible by the number of key/value heads, {spec.KeyValueHeadCount}");
        if (spec.Windows.Count > 0 && spec.Windows.Count != spec.LayerCount) throw Wrong(config, $"there are windows for {spec.Windows.Count} layers, but the model has {spec.LayerCount} layers");
        if (spec.SharedLayers.Count > 0 && (spec.SharedLayers.Count != spec.LayerCount || spec.SharedLayers.Any(index => index < 0 || index >= spec.LayerCount))) throw Wrong(config, $"{spec.SharedLayers.Count} layers share weights, but the model has {spec.LayerCount} layers");
        if (spec.RotaryLayers.Count > 0 && spec.RotaryLayers.Count != spec.LayerCount) throw Wrong(config, $"{spec.RotaryLayers.Count} layers say whether they have rotary embeddings, but the model has {spec.LayerCount} layers");
        if (spec.LearnedPositionOffset < 0) throw Wrong(config, $"the offset of the learned positions is {spec.LearnedPositionOffset}, but must be at least 0");
        var (heads, kept, widest) = ((long)spec.HeadCount * spec.HeadSize, 2L * spec.KeyValueHeadCount * spec.HeadSize, 2L * spec.IntermediateSize);
        if (heads + kept > int.MaxValue || widest > int.MaxValue) throw Wrong(config, $"{spec.HeadCount} heads of {spec.HeadSize}, or a feed-forward network of {spec.IntermediateSize}, exceed a width of {int.MaxValue}");
        // A lower bound of the parameter count: norms, biases and heads are not counted.
        var layer = (Int128)spec.HiddenSize * (2 * heads + kept + (spec.GatedFeedForward ? 3L : 2L) * spec.IntermediateSize);
        var positions = spec.LearnedPositionOffset is { } offset ? (long)spec.MaxPositions + offset : 0;
        if (at.StoredBits is { } bits) layer = (Int128)((double)layer * bits / (8 * ModelSize.Width(at.Type)));
        var table = (Int128)(spec.HiddenSize * (double)spec.VocabularySize * (at.EmbeddingBits / (8 * ModelSize.Width(at.Type)) ?? 1));
        MemoryBudget.Require(layer * spec.LayerCount + table + (Int128)spec.HiddenSize * positions, at.Type, at.Device, () =>
            $"{config.Source} describes a model of {spec.LayerCount} layers of width {spec.HiddenSize} (feed-forward network {spec.IntermediateSize}) with {spec.VocabularySize} tokens and {positions} learned positions. Check these sizes. If they are correct, use a smaller dtype (LoadOptions.Dtype) or a smaller model.");
    }

    private static IEnumerable<(string Name, long Value)> Sizes(TransformerSpec spec) =>
    [
        ("the vocabulary", spec.VocabularySize), ("the width of the hidden states", spec.HiddenSize), ("the number of layers", spec.LayerCount), ("the number of heads", spec.HeadCount),
        ("the number of key/value heads", spec.KeyValueHeadCount), ("the size of a head", spec.HeadSize), ("the width of the feed-forward network", spec.IntermediateSize), ("the number of positions", spec.MaxPositions),
    ];

    private static ModelFolderException Wrong(ModelConfig config, string what) => new($"{config.Source}: {what}. Correct the file.");
}
