using static TorchSharp.torch;

namespace Peft;

/// <summary>The token ids of a forward pass, for adapter layers that act only on some tokens.</summary>
public sealed class PassTokens : IDisposable
{
    private readonly Dictionary<object, Tensor> derived = new(ReferenceEqualityComparer.Instance);
    private readonly Func<Tensor>? read;   // lazy, since a part of a pass rarely needs its ids
    private Tensor? ids;

    /// <summary>Creates the tokens of a forward pass.</summary>
    /// <param name="ids">Token ids <c>[batch, past + sequence]</c>; the caller keeps ownership.</param>
    /// <param name="packedLengths">Lengths of the sequences packed into the single row; null if each row is one sequence.</param>
    public PassTokens(Tensor ids, IReadOnlyList<int>? packedLengths = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        ObjectDisposedException.ThrowIf(ids.IsInvalid, ids);
        this.ids = ids.alias().DetachFromDisposeScope();
        PackedLengths = packedLengths;
    }

    private PassTokens(Func<Tensor> read, IReadOnlyList<int>? packedLengths) => (this.read, PackedLengths) = (read, packedLengths);

    /// <summary>Token ids <c>[batch, past + sequence]</c>, including those in the cache.</summary>
    public Tensor Ids => ids ??= read!().DetachFromDisposeScope();

    /// <summary>Lengths of the sequences packed into the single row; null if each row is one sequence.</summary>
    public IReadOnlyList<int>? PackedLengths { get; }

    /// <summary>Returns a tensor derived from the tokens. It is computed once for all layers that use the same key.</summary>
    /// <param name="key">Identifies the derived tensor.</param>
    /// <param name="make">Computes the tensor, which this object then owns.</param>
    public Tensor Derive(object key, Func<Tensor> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        if (derived.TryGetValue(key, out var known)) return known;
        return derived[key] = make().DetachFromDisposeScope();
    }

    /// <summary>Selects the tokens of some rows or positions, when a layer reads them.</summary>
    internal PassTokens Part(Func<Tensor, Tensor> select) => new(() => select(Ids), PackedLengths);

    /// <inheritdoc/>
    public void Dispose()
    {
        ids?.Dispose();
        ids = null;
        foreach (var tensor in derived.Values) tensor.Dispose();
        derived.Clear();
    }
}
