using static TorchSharp.torch;

namespace Peft;

/// <summary>The virtual tokens of the active adapters, for the model's forward pass.</summary>
/// <remarks>
/// Rows of a batch may have different numbers of virtual tokens. These directly precede the row's input, so a row with fewer virtual tokens begins with padding, which must be
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

    /// <summary>The numbers of virtual tokens: one entry per row, or one for all rows.</summary>
    public IReadOnlyList<PromptRow> Rows { get; }

    /// <summary>Number of embeddings that precede the input: the maximum over the rows.</summary>
    public int EmbeddingCount => Rows.Max(row => row.Embeddings);

    /// <summary>Number of embeddings that precede the decoder's input, for an encoder-decoder model: the maximum over the rows.</summary>
    public int DecoderEmbeddingCount => Rows.Max(row => row.DecoderEmbeddings);

    /// <summary>Number of positions that precede the input and consist only of keys and values: the maximum over the rows.</summary>
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
            return Open(row, layer, input.narrow(0, i, 1)) is var open && open.size(1) == 1 ? open.expand(-1, input.size(1), -1) : open;
        })], 0);

    // The factor is 1 for prefixes without a gate and for the padding of rows with fewer tokens.
    private Tensor Open(IReadOnlyList<PromptLayer> row, int layer, Tensor input)
    {
        var each = row.OfType<IPrefix>().Where(prompt => prompt.PrefixCount > 0).Select(prompt => prompt.Gates?[layer](input) ?? Ones(prompt.PrefixCount))
            .Prepend(Ones(PrefixCount - row.OfType<IPrefix>().Sum(prompt => prompt.PrefixCount))).ToList();
        var length = each.Max(open => open.size(1));
        return cat([.. each.Select(open => open.expand(-1, length, -1))], 2);

        Tensor Ones(int count) => ones([input.size(0), 1, count], input.dtype, input.device);
    }

    /// <summary>Creates the virtual tokens for a forward pass. Rows with fewer tokens than others begin with zeros.</summary>
    /// <param name="batch">Number of rows of the input.</param>
    /// <param name="training">True if the model is in training mode.</param>
    /// <param name="continues">True if a cache already contains the virtual tokens. Only tokens in the attention of layers are then returned.</param>
    /// <exception cref="PeftException">Adapters or tasks were set for another number of rows.</exception>
    public VirtualTokens Make(long batch, bool training, bool continues = false)
    {
        if (rows.Length > 1 && rows.Length != batch) throw new PeftException($"Adapters were set for {rows.Length} rows, but the input has {batch}.");
        var tasks = state.Tasks;
        if (tasks is not null && tasks.size(0) != 1 && tasks.size(0) != batch) throw new PeftException($"Tasks were set for {tasks.size(0)} rows, but the input has {batch}.");
        if (rows.Length == 1) return Join(rows[0], tasks);
        if (tasks is not null && tasks.size(0) > 1) return VirtualTokens.Rows([.. rows.Select((row, i) => Join(row, tasks.narrow(0, i, 1)))]);
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
