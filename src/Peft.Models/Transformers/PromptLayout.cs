using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// The layout of each row's virtual tokens among the positions of a batch: [padding, prefix][padding, embeddings][input]. Padding precedes the row's own virtual
/// tokens and has no effect, so each row has the same output as it would have alone.
/// </summary>
/// <param name="rows">The virtual tokens of each row, or a single entry for all rows.</param>
/// <param name="prefix">Number of prefix positions (keys and values).</param>
/// <param name="embeddings">Number of embedding positions.</param>
/// <param name="device">Device of the tensors.</param>
internal sealed class PromptLayout(IReadOnlyList<PromptRow> rows, int prefix, int embeddings, Device device)
{
    /// <summary>Number of positions that precede the input.</summary>
    public int Total => prefix + embeddings;

    /// <summary>True if some rows have fewer virtual tokens than others.</summary>
    public bool IsMixed { get; } = rows.Any(row => (prefix > 0 && row.Prefix != prefix) || (embeddings > 0 && row.Embeddings != embeddings));

    /// <summary>True for rows with virtual embeddings, <c>[rows, 1]</c>.</summary>
    public Tensor HasEmbeddings => Embedded.gt(Constant(0));

    /// <summary>Number of virtual tokens of each row, <c>[rows, 1]</c>.</summary>
    public Tensor Own => Prefixed.add(Embedded, One);

    private Tensor Prefixed => Column(row => prefix == 0 ? 0 : row.Prefix);

    private Tensor Embedded => Column(row => embeddings == 0 ? 0 : row.Embeddings);

    /// <summary>1 for a virtual token and 0 for padding, <c>[rows, total]</c>.</summary>
    public Tensor Mask => cat([Range(prefix).ge(Prefixed.neg().add(Constant(prefix), One)), Range(embeddings).ge(Embedded.neg().add(Constant(embeddings), One))], 1);

    /// <summary>Position ids of the embeddings within their row, <c>[rows, embeddings]</c>.</summary>
    public Tensor Positions => Range(embeddings).sub(Constant(embeddings)).add(Embedded, One).clamp(min: Constant(0)).add(Prefixed, One);

    private Tensor Range(int count) => arange(Constant(0), Constant(count), One, ScalarType.Int64, device).unsqueeze(0);

    private Tensor Column(Func<PromptRow, int> of) => tensor(rows.Select(row => (long)of(row)).ToArray(), [rows.Count, 1], device: device);
}
