using static TorchSharp.torch;

namespace Peft;

/// <summary>The virtual tokens of the active adapters, as a model asks for them.</summary>
public sealed class PromptStack
{
    private readonly IReadOnlyList<PromptLayer>[] rows;   // one list for all rows, or one for each
    private readonly PeftModel owner;

    internal PromptStack(PeftModel owner, params IReadOnlyList<PromptLayer>[] rows)
    {
        (this.owner, this.rows) = (owner, rows);
        foreach (var row in rows.Skip(1))
            if (Count(row, layer => layer.EmbeddingCount) != EmbeddingCount || Count(row, layer => layer.PrefixCount) != PrefixCount || Count(row, layer => layer.DecoderEmbeddingCount) != DecoderEmbeddingCount)
                throw new PeftException("Rows of one batch need the same number and kind of virtual tokens each, and these adapters differ in that (a row without adapters has none). Run the rows apart.");
    }

    /// <summary>Embeddings before the input.</summary>
    public int EmbeddingCount => Count(rows[0], layer => layer.EmbeddingCount);

    /// <summary>Embeddings before the decoder's input of an encoder-decoder model.</summary>
    public int DecoderEmbeddingCount => Count(rows[0], layer => layer.DecoderEmbeddingCount);

    /// <summary>Positions before the input that are keys and values only.</summary>
    public int PrefixCount => Count(rows[0], layer => layer.PrefixCount);

    /// <summary>The labels of the virtual embeddings; null if the loss leaves them out.</summary>
    public VirtualLabels? Labels
    {
        get
        {
            if (rows[0].All(layer => layer.Labels is null)) return null;
            var each = rows[0].Where(layer => layer.EmbeddingCount > 0).Select(layer => layer.Labels
                ?? new VirtualLabels([.. Enumerable.Repeat((long)Batch.IgnoredLabel, layer.EmbeddingCount)], [.. Enumerable.Repeat(1.0, layer.EmbeddingCount)])).ToList();
            return new([.. each.SelectMany(labels => labels.Ids)], [.. each.SelectMany(labels => labels.Weights)], each.All(labels => labels.CountsInput));
        }
    }

    /// <summary>How far each layer's prefix is open, those of several adapters side by side; null for all the way.</summary>
    public IReadOnlyList<PrefixGate>? Gates
        => rows.SelectMany(row => row).Select(layer => layer.Gates).FirstOrDefault(gates => gates is not null) is not { } any ? null
            : [.. Enumerable.Range(0, any.Count).Select(layer => (PrefixGate)(input => rows.Length == 1 ? Open(rows[0], layer, input) : OpenRows(layer, input)))];

    // One row after another, each with the gates of its adapters.
    private Tensor OpenRows(int layer, Tensor input)
        => cat([.. rows.Select((row, i) =>
        {
            using var seen = PassRows.Enter(tensor(new[] { (long)i }, device: input.device));
            return Open(row, layer, input.narrow(0, i, 1)) is var open && open.shape[1] == 1 ? open.expand(-1, input.shape[1], -1) : open;
        })], 0);

    // What has no gate is open, and so is what stands before a row with fewer tokens than others.
    private Tensor Open(IReadOnlyList<PromptLayer> row, int layer, Tensor input)
    {
        var each = row.Where(prompt => prompt.PrefixCount > 0).Select(prompt => prompt.Gates?[layer](input) ?? Ones(prompt.PrefixCount))
            .Prepend(Ones(PrefixCount - Count(row, prompt => prompt.PrefixCount))).ToList();
        var length = each.Max(open => open.shape[1]);
        return cat([.. each.Select(open => open.expand(-1, length, -1))], 2);

        Tensor Ones(int count) => ones([input.shape[0], 1, count], input.dtype, input.device);
    }

    /// <summary>The virtual tokens for a forward pass.</summary>
    /// <param name="batch">Rows of the input.</param>
    /// <param name="training">Whether the model is in training mode.</param>
    /// <param name="continues">Whether a cache holds the virtual tokens already: what is left then are tokens inside attention.</param>
    /// <exception cref="PeftException">Adapters or tasks were given to another number of rows.</exception>
    public VirtualTokens Make(long batch, bool training, bool continues = false)
    {
        if (rows.Length > 1 && rows.Length != batch) throw new PeftException($"{rows.Length} rows were given adapters, but the input has {batch}.");
        var tasks = owner.TaskIds;
        if (tasks is not null && tasks.shape[0] != 1 && tasks.shape[0] != batch) throw new PeftException($"{tasks.shape[0]} rows were given tasks, but the input has {batch}.");
        if (rows.Length == 1) return Join(rows[0], tasks);
        return VirtualTokens.Rows([.. rows.Select((row, i) => Join(row, tasks is null || tasks.shape[0] == 1 ? tasks : tasks.narrow(0, i, 1)))]);

        VirtualTokens Join(IReadOnlyList<PromptLayer> layers, Tensor? ids)
            => layers.Where(layer => !continues || layer.EmbeddingCount + layer.PrefixCount == 0).Select(layer => layer.Make(ids, training)).Aggregate(new VirtualTokens(), (sum, next) => sum.Then(next));
    }

    private static int Count(IReadOnlyList<PromptLayer> layers, Func<PromptLayer, int> of) => layers.Sum(of);
}
