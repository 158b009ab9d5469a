using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Trains selected rows of an embedding (Hugging Face's trainable tokens). The rows of a tensor <c>[tokens, size]</c>, initialized as a copy,
/// replace those of the embedding.
/// </summary>
public sealed class TokensLayer : ReweightLayer
{
    private readonly Parameter rows;
    private readonly Parameter indices;   // [tokens]

    /// <summary>Creates the layer for an embedding.</summary>
    /// <param name="target">The embedding.</param>
    /// <param name="tokens">Ids of the tokens to train.</param>
    /// <param name="name">Saved name of the rows.</param>
    /// <param name="fresh">True to initialize the rows randomly instead of from the embedding.</param>
    public TokensLayer(Target target, IReadOnlyList<int> tokens, string name, bool fresh = false) : base(target)
    {
        var size = target.IsLookup ? target.In : target.Out;
        if (tokens.Where(token => token < 0 || token >= size).ToList() is { Count: > 0 } missing)
            throw new AdapterOptionsException($"{target.Path} has {size} rows, so it has no token {string.Join(", ", missing)} to train. Resize the embedding first, or pass existing tokens.");
        indices = Frozen("token_indices", tensor(tokens.Select(token => (long)token).ToArray(), device: Device), saved: false);
        using var _ = no_grad();
        using var table = Table();
        rows = Trainable(name, fresh ? Normal(1, tokens.Count, table.size(1)) : Computed(() => table.index_select(0, indices), [tokens.Count, .. table.shape[1..]]));
    }

    /// <summary>Creates the layer for a head that is tied to the embedding. It uses the same rows.</summary>
    public TokensLayer(Target target, TokensLayer owner, string name, bool saved) : base(target)
    {
        ArgumentNullException.ThrowIfNull(owner);
        indices = Shared("token_indices", owner.indices, saved: false);
        rows = Shared(name, owner.rows, saved);
    }

    /// <summary>The rows <c>[tokens, size]</c>.</summary>
    internal Tensor Rows => rows;

    /// <inheritdoc/>
    protected override Weights Reweight(Weights inner)
    {
        // The matrix of a lookup is [size, tokens], that of a head [tokens, size].
        var narrow = rows.to_type(inner.Weight.dtype);
        return inner with { Weight = Target.IsLookup ? inner.Weight.index_copy(1, indices, narrow.t()) : inner.Weight.index_copy(0, indices, narrow) };
    }

    /// <inheritdoc/>
    protected internal override Tensor Forward(Tensor input, Inner inner)
    {
        if (!Target.IsLookup) return base.Forward(input, inner);
        // Replaces only the rows that were looked up, without copying the table.
        var output = inner.Forward(input);
        var flat = input.reshape(-1);
        var hit = flat.unsqueeze(1).eq(indices.unsqueeze(0));          // [positions, tokens]
        var positions = hit.any(1).nonzero().reshape(-1);
        if (positions.numel() == 0) return output.add(rows.sum().mul(Constant(0)).to_type(output.dtype), One);   // keeps the rows in the graph
        var found = hit.to_type(ScalarType.Int64).argmax(1).index_select(0, positions);
        var size = output.size(-1);
        return output.reshape(-1, size).index_copy(0, positions, rows.index_select(0, found).to_type(output.dtype)).view(output.Sizes());
    }

    private Tensor Table() => Target.IsLookup ? Target.ReadMatrix().t() : Target.ReadMatrix();
}
