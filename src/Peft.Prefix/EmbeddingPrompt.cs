namespace Peft.Prefix;

/// <summary>
/// Virtual tokens that are embeddings, <c>[tokens, hidden]</c>. For an encoder-decoder model, those of the encoder are followed by as many for the decoder.
/// </summary>
/// <param name="model">The model.</param>
/// <param name="tokens">Number of virtual tokens before each input.</param>
internal abstract class EmbeddingPrompt(ModelTree model, int tokens) : PromptLayer(model)
{
    public sealed override int EmbeddingCount => tokens;

    /// <summary>The embeddings, <c>[1 or rows, tokens · submodules, hidden]</c>.</summary>
    protected abstract Tensor Embeddings(Tensor? tasks, bool training);

    /// <summary>The model's token embeddings of ids, as a new tensor. The ids repeat cyclically if there are fewer than <paramref name="count"/>.</summary>
    public static Tensor RowsOf(ModelTree model, IEnumerable<long> ids, long count)
    {
        using var _ = no_grad();
        using var scope = NewDisposeScope();
        var table = model.InputEmbeddings!.Storage.Read();
        long[] all = [.. ids];
        if (all.Length == 0) throw new AdapterOptionsException("The text to initialize the virtual tokens from has no tokens: set a longer one.");
        if (Array.FindIndex(all, id => id < 0 || id >= table.size(0)) is >= 0 and var odd)
            throw new AdapterOptionsException($"Token id {all[odd]} is outside the model's vocabulary of {table.size(0)}: was the text encoded for another model?");
        AdapterPlan.Allow(table.device, count, table.size(1));
        if (table.device_type == TorchSharp.DeviceType.META) return empty([count, table.size(1)], device: table.device).MoveToOuterDisposeScope();
        var index = tensor(Enumerable.Range(0, (int)count).Select(i => all[i % all.Length]).ToArray(), device: table.device);
        return table.index_select(0, index).to_type(ScalarType.Float32).mul(Constant(model.Prompted.PromptShape.LookupScale)).MoveToOuterDisposeScope();
    }

    protected sealed override VirtualTokens Make(Tensor? tasks, bool training)
    {
        var all = Embeddings(tasks, training);
        return new VirtualTokens
        {
            Embeddings = all.narrow(1, 0, tokens),
            DecoderEmbeddings = this is IPromptsDecoder { DecoderEmbeddingCount: > 0 } ? all.narrow(1, tokens, tokens) : null,
        };
    }
}
