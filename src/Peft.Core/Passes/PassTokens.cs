using static TorchSharp.torch;

namespace Peft;

/// <summary>The token ids of a forward pass, for adapter layers that act on some tokens alone.</summary>
public sealed class PassTokens : IDisposable
{
    private readonly Dictionary<object, Tensor> derived = new(ReferenceEqualityComparer.Instance);
    private readonly Func<Tensor>? read;   // for a part of a pass, which seldom asks
    private Tensor? ids;

    /// <summary>The tokens of a pass.</summary>
    /// <param name="ids">Token ids <c>[batch, past + sequence]</c>; they stay the caller's.</param>
    /// <param name="packedLengths">Lengths of the sequences that lie end to end in the single row; null otherwise.</param>
    public PassTokens(Tensor ids, IReadOnlyList<int>? packedLengths = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        this.ids = ids.alias().DetachFromDisposeScope();
        PackedLengths = packedLengths;
    }

    private PassTokens(Func<Tensor> read, IReadOnlyList<int>? packedLengths) => (this.read, PackedLengths) = (read, packedLengths);

    /// <summary>Token ids <c>[batch, past + sequence]</c>, those that a cache holds among them.</summary>
    public Tensor Ids => ids ??= read!().DetachFromDisposeScope();

    /// <summary>Lengths of the sequences that lie end to end in the single row; null if rows are single sequences.</summary>
    public IReadOnlyList<int>? PackedLengths { get; }

    /// <summary>What follows from the tokens, computed once for all layers that ask with the same key.</summary>
    /// <param name="key">What it is computed for.</param>
    /// <param name="make">Computes it; the result stays this object's.</param>
    public Tensor Derive(object key, Func<Tensor> make)
    {
        ArgumentNullException.ThrowIfNull(make);
        if (derived.TryGetValue(key, out var known)) return known;
        return derived[key] = make().DetachFromDisposeScope();
    }

    /// <summary>The tokens of a part of the batch, taken when a layer asks for them.</summary>
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
