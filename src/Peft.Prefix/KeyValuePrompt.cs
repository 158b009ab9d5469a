namespace Peft.Prefix;

/// <summary>Virtual tokens that are keys and values in each layer, <c>[tokens, 2 · layers · key/value size]</c>: keys of layer l at 2l, values at 2l + 1.</summary>
/// <param name="model">The model.</param>
/// <param name="tokens">Number of virtual tokens before each input.</param>
internal abstract class KeyValuePrompt(ModelTree model, int tokens) : PromptLayer(model), IPrefix
{
    public int PrefixCount => tokens;

    public virtual IReadOnlyList<PrefixGate>? Gates => null;

    /// <summary>Number of values per virtual token, over all layers.</summary>
    protected long Width => 2L * Shape.LayerCount * Shape.KeyValueHeadCount * Shape.HeadSize;

    /// <summary>The keys and values, <c>[tokens, 2 · layers · key/value size]</c>.</summary>
    protected abstract Tensor Flat();

    /// <summary>The keys and values of a text's first tokens, in the layout of <see cref="Flat"/>.</summary>
    protected static Tensor OfText(ModelTree model, KeyValueOptions options)
    {
        var count = options.VirtualTokens!.Value;
        var ids = options.Tokenizer!.Encode(options.InitialText!);
        if (ids.Count < count) throw new AdapterOptionsException($"InitialText has {ids.Count} tokens, but there are {count} virtual tokens to initialize from it: set a longer text, or fewer virtual tokens.");
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var input = tensor(ids.Take(count).Select(id => (long)id).ToArray(), [1, count], device: model.InputEmbeddings!.Device);
        var pairs = model.Prompted.KeysAndValues(input).SelectMany(pair => new[] { pair.Keys, pair.Values });
        return cat([.. pairs.Select(each => each[0].transpose(0, 1).reshape(count, -1).to_type(ScalarType.Float32))], 1).MoveToOuterDisposeScope();
    }

    protected sealed override VirtualTokens Make(Tensor? tasks, bool training)
    {
        var entries = Flat().view(tokens, 2 * Shape.LayerCount, Shape.KeyValueHeadCount, Shape.HeadSize).permute(1, 2, 0, 3);   // [2 · layers, heads, tokens, size]
        if (Shape.PrefixedLayerCount > Shape.LayerCount)
            throw new PeftException($"The decoder has {Shape.PrefixedLayerCount} layers and the encoder {Shape.LayerCount}, but a prefix has keys and values only for as many layers as the encoder has, as in Hugging Face PEFT: use prompt tuning.");
        // For an encoder-decoder model, Hugging Face PEFT counts four entries per layer, uses the first two, and wraps around at the end.
        var stride = 2 * Shape.SubmoduleCount;
        return new VirtualTokens
        {
            Prefix = [.. Enumerable.Range(0, Shape.PrefixedLayerCount).Select(layer => new KeyValuePrefix(Entry(stride * layer), Entry(stride * layer + 1)))],
        };

        Tensor Entry(int index) => entries.narrow(0, index % (2 * Shape.LayerCount), 1);
    }
}
