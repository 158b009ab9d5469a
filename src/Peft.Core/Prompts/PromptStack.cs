using static TorchSharp.torch;

namespace Peft;

/// <summary>The virtual tokens of the active adapters, for the model's forward pass.</summary>
/// <remarks>
/// Rows of a batch may have different numbers of virtual tokens. These directly precede the row's input, so a row with fewer begins with padding, which must be
/// masked.
/// </remarks>
public sealed class PromptStack
{
    private readonly IReadOnlyList<PromptLayer>[] rows;   // one list for all rows, or one per row
    private readonly PassState state;

    internal PromptStack(PassState state, IReadOnlyList<PromptLayer>[] rows)
    {
        (this.state, this.rows) = (state, rows);
        Rows = [.. rows.Select(PromptRow.Of)];
    }

    /// <summary>The virtual token counts of the rows: one entry per row, or a single one for all.</summary>
    public IReadOnlyList<PromptRow> Rows { get; }

    /// <summary>Number of embeddings before the input: the maximum over the rows.</summary>
    public int EmbeddingCount => Rows.Max(row => row.Embeddings);

    /// <summary>Number of embeddings before the decoder's input, for an encoder-decoder model: the maximum over the rows.</summary>
    public int DecoderEmbeddingCount => Rows.Max(row => row.DecoderEmbeddings);

    /// <summary>Number of positions before the input that consist only of keys and values: the maximum over the rows.</summary>
    public int PrefixCount => Rows.Max(row => row.Prefix);

    /// <summary>Gate of each layer's prefix, concatenated over the adapters; null if the prefix is always fully attended.</summary>
    public IReadOnlyList<PrefixGate>? Gates
        => rows.SelectMany(row => row).OfType<IPrefix>().Select(layer => layer.Gates).FirstOrDefault(gates => gates is not null) is not { } any ? null
            : [.. Enumerable.Range(0, any.Count).Select(layer => (PrefixGate)(input => rows.Length == 1 ? Open(rows[0], layer, input) : OpenRows(layer, input)))];

    // Processes one row at a time with the gates of its adapters.
    private Tensor OpenRows(int layer, Tensor input)
        => cat([.. rows.Select((row, i) =>
        {
            using var seen = ForwardPass.EnterRows(tensor(new[] { (long)i }, device: input.device));
            return Open(row, layer, input.narrow(0, i, 1)) is var open && open.shape[1] == 1 ? open.expand(-1, input.shape[1], -1) : open;
        })], 0);

    // Prefixes without a gate, and the padding of rows with fewer tokens, get a factor of 1.
    private Tensor Open(IReadOnlyList<PromptLayer> row, int layer, Tensor input)
    {
        var each = row.OfType<IPrefix>().Where(prompt => prompt.PrefixCount > 0).Select(prompt => prompt.Gates?[layer](input) ?? Ones(prompt.PrefixCount))
            .Prepend(Ones(PrefixCount - row.OfType<IPrefix>().Sum(prompt => prompt.PrefixCount))).ToList();
        var length = each.Max(open => open.shape[1]);
        return cat([.. each.Select(open => open.expand(-1, length, -1))], 2);

        Tensor Ones(int count) => ones([input.shape[0], 1, count], input.dtype, input.device);
    }

    /// <summary>The virtual tokens for a forward pass. Rows with fewer tokens than others begin with zeros.</summary>
    /// <param name="batch">Number of rows of the input.</param>
    /// <param name="training">True if the model is in training mode.</param>
    /// <param name="continues">True if a cache holds the virtual tokens already. Only tokens inside attention are then returned.</param>
    /// <exception cref="PeftException">Adapters or tasks were given for another number of rows.</exception>
    public VirtualTokens Make(long batch, bool training, bool continues = false)
    {
        if (rows.Length > 1 && rows.Length != batch) throw new PeftException($"{rows.Length} rows were given adapters, but the input has {batch}.");
        var tasks = state.Tasks;
        if (tasks is not null && tasks.shape[0] != 1 && tasks.shape[0] != batch) throw new PeftException($"{tasks.shape[0]} rows were given tasks, but the input has {batch}.");
        if (rows.Length == 1) return Join(rows[0], tasks);
        if (tasks is not null && tasks.shape[0] > 1) return VirtualTokens.Rows([.. rows.Select((row, i) => Join(row, tasks.narrow(0, i, 1)))]);
        // Rows with the same adapter use the same tokens.
        var made = new Dictionary<object, VirtualTokens>(ReferenceEqualityComparer.Instance);
        return VirtualTokens.Rows([.. rows.Select(row =>
        {
            var key = row.Count == 0 ? this : (object)row[0];
            return made.TryGetValue(key, out var known) ? known : made[key] = Join(row, tasks);
        })]);

        VirtualTokens Join(IReadOnlyList<PromptLayer> layers, Tensor? ids)
            => layers.Where(layer => !continues || layer is { EmbeddingCount: 0 } and not IPrefix { PrefixCount: > 0 }).Select(layer => layer.Make(ids, training)).Aggregate(new VirtualTokens(), (sum, next) => sum.Then(next));
    }
}
