using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The token ids of a forward pass, for adapter layers that act on some tokens alone: a model enters them while its layers run, and layers ask for
/// <see cref="Current"/>.
/// </summary>
public sealed class PassTokens : IDisposable
{
    [ThreadStatic] private static PassTokens? current;

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

    /// <summary>Those of the pass that runs on this thread; null outside of one, or where the model got embeddings.</summary>
    public static PassTokens? Current => current;

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

    /// <summary>Makes these tokens the current ones until the result is disposed, on the same thread.</summary>
    public IDisposable Enter()
    {
        var before = current;
        current = this;
        return new Exit(before);
    }

    /// <summary>The tokens of some rows of the current pass, entered while a part of the batch runs; nothing where no tokens are known.</summary>
    internal static IDisposable? EnterPart(Func<Tensor, Tensor> part)
    {
        if (current is not { } whole) return null;
        var tokens = new PassTokens(() => part(whole.Ids), whole.PackedLengths);
        return new Exit(current, tokens, tokens.Enter());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        ids?.Dispose();
        ids = null;
        foreach (var tensor in derived.Values) tensor.Dispose();
        derived.Clear();
    }

    private sealed class Exit(PassTokens? before, params IDisposable[] others) : IDisposable
    {
        public void Dispose()
        {
            current = before;
            foreach (var other in others) other.Dispose();
        }
    }
}
