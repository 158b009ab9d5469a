using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Where the virtual tokens of each row stand among the positions of a batch: [padding, prefix][padding, embeddings][input]. What comes before a row's own
/// is padding that counts for nothing, so that a row computes what it would alone.
/// </summary>
/// <param name="rows">What stands before each row, or before all.</param>
/// <param name="prefix">Positions of keys and values.</param>
/// <param name="embeddings">Positions of embeddings.</param>
/// <param name="device">Device of the tensors.</param>
internal sealed class PromptLayout(IReadOnlyList<PromptRow> rows, int prefix, int embeddings, Device device)
{
    /// <summary>Positions before the input.</summary>
    public int Total => prefix + embeddings;

    /// <summary>Whether some rows have fewer virtual tokens than others.</summary>
    public bool IsMixed { get; } = rows.Any(row => (prefix > 0 && row.Prefix != prefix) || (embeddings > 0 && row.Embeddings != embeddings));

    /// <summary>Whether rows have embeddings, <c>[rows, 1]</c>.</summary>
    public Tensor HasEmbeddings => Embedded.gt(Kept(0));

    /// <summary>Virtual tokens of each row, <c>[rows, 1]</c>.</summary>
    public Tensor Own => Prefixed.add(Embedded, One);

    private Tensor Prefixed => Column(row => prefix == 0 ? 0 : row.Prefix);

    private Tensor Embedded => Column(row => embeddings == 0 ? 0 : row.Embeddings);

    /// <summary>1 for a virtual token and 0 for padding, <c>[rows, total]</c>.</summary>
    public Tensor Mask => cat([Range(prefix).ge(Prefixed.neg().add(Kept(prefix), One)), Range(embeddings).ge(Embedded.neg().add(Kept(embeddings), One))], 1);

    /// <summary>The positions that the embeddings have in their row, <c>[rows, embeddings]</c>.</summary>
    public Tensor Positions => Range(embeddings).sub(Kept(embeddings)).add(Embedded, One).clamp(min: Kept(0)).add(Prefixed, One);

    private Tensor Range(int count) => arange(Kept(0), Kept(count), One, ScalarType.Int64, device).unsqueeze(0);

    private Tensor Column(Func<PromptRow, int> of) => tensor(rows.Select(row => (long)of(row)).ToArray(), [rows.Count, 1], device: device);
}
