using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The token ids of a forward pass, for adapter layers that act only on some tokens. The model enters them while its layers run, and layers read
/// <see cref="Current"/>.
/// </summary>
public sealed class PassTokens : IDisposable
{
    [ThreadStatic] private static PassTokens? current;

    private readonly Dictionary<object, Tensor> derived = new(ReferenceEqualityComparer.Instance);
    private readonly Func<Tensor>? read;   // lazy, for a part of a pass: it rarely needs its ids
    private Tensor? ids;

    /// <summary>The tokens of a pass.</summary>
    /// <param name="ids">Token ids <c>[batch, past + sequence]</c>; the caller keeps ownership.</param>
    /// <param name="packedLengths">Lengths of the sequences that are packed into the single row; null if each row is one sequence.</param>
    public PassTokens(Tensor ids, IReadOnlyList<int>? packedLengths = null)
    {
        ArgumentNullException.ThrowIfNull(ids);
        this.ids = ids.alias().DetachFromDisposeScope();
        PackedLengths = packedLengths;
    }

    private PassTokens(Func<Tensor> read, IReadOnlyList<int>? packedLengths) => (this.read, PackedLengths) = (read, packedLengths);

    /// <summary>The tokens of the pass that runs on this thread; null outside of a pass, or if the model received embeddings.</summary>
    public static PassTokens? Current => current;

    /// <summary>Token ids <c>[batch, past + sequence]</c>, including those in the cache.</summary>
    public Tensor Ids => ids ??= read!().DetachFromDisposeScope();

    /// <summary>Lengths of the sequences that are packed into the single row; null if each row is one sequence.</summary>
    public IReadOnlyList<int>? PackedLengths { get; }

    /// <summary>A tensor that is derived from the tokens. It is computed once for all layers that use the same key.</summary>
    /// <param name="key">Identifies the derived tensor.</param>
    /// <param name="make">Computes the tensor, which this object then owns.</param>
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

    /// <summary>Enters the tokens of some rows or positions of the current pass while that part runs; null if no tokens are known.</summary>
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
