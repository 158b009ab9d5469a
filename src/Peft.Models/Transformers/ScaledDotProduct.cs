using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>softmax(s·q·kᵀ + mask)·v, including grouped-query attention with fewer key/value heads than query heads (Ainslie et al. 2023, arXiv:2305.13245).</summary>
/// <param name="spec">The model's description.</param>
/// <param name="layer">Index of the layer.</param>
internal sealed class ScaledDotProduct(TransformerSpec spec, int layer = 0)
{
    private readonly int heads = spec.HeadCount, keyValueHeads = spec.KeyValueHeadCount, size = spec.HeadSize;
    private readonly int group = spec.HeadCount / spec.KeyValueHeadCount;
    private readonly double? softCap = spec.AttentionSoftCap;
    private readonly double scale = spec.ScoreFactor(layer);

    // torch's kernel divides by √size, so the queries are multiplied by the remaining factor.
    private readonly double queryFactor = spec.ScoreFactor(layer) * Math.Sqrt(spec.HeadSize);

    /// <summary>True if the scores are soft-capped before the softmax.</summary>
    public bool IsCapped => softCap is not null;

    /// <param name="query"><c>[batch, heads, queries, size]</c></param>
    /// <param name="key"><c>[batch, key/value heads, keys, size]</c></param>
    /// <param name="value"><c>[batch, key/value heads, keys, size]</c></param>
    /// <param name="pattern">The keys that each query attends to.</param>
    /// <param name="dropout">Dropout probability of the attention weights.</param>
    /// <param name="batch">Number of rows.</param>
    /// <param name="queries">Number of queries.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="gate">Factor for each query of the keys and values at the beginning, <c>[batch, queries or 1, gated keys]</c>; null for none.</param>
    /// <returns><c>[batch, queries, heads · size]</c></returns>
    public Tensor Run(Tensor query, Tensor key, Tensor value, AttentionPattern pattern, double dropout, int batch, int queries, int keys, Tensor? gate = null)
    {
        if (gate is not null) return RunGated(query, key, value, pattern, dropout, batch, queries, keys, gate);
        if (pattern.LastKeys is { } last)
        {
            using var lastKey = key.narrow(2, keys - last, last);
            using var lastValue = value.narrow(2, keys - last, last);
            return Run(query, lastKey, lastValue, AttentionPattern.Everything, dropout, batch, queries, last);
        }
        if (queries == 1)
        {
            // The query heads of a key/value head become queries of that head, so no key is copied.
            using var folded = group == 1 ? query.alias() : query.reshape(batch, keyValueHeads, group, size);
            using var mask = Folded(pattern.Mask, keys);
            using var one = Attend(folded, key, value, mask, false, dropout, pattern.BlindsQueries);
            return one.reshape(batch, 1, heads * size);
        }
        using var allKeys = Repeat(key, batch, keys);
        using var allValues = Repeat(value, batch, keys);
        using var output = Attend(query, allKeys, allValues, pattern.Mask, pattern.Causal, dropout, pattern.BlindsQueries);
        using var transposed = output.transpose(1, 2);
        return transposed.reshape(batch, queries, heads * size);
    }

    // A mask with an entry for each head, likewise.
    private Tensor? Folded(Tensor? mask, int keys)
        => mask is null ? null : group == 1 || mask.size(1) == 1 ? mask.alias() : mask.reshape(mask.size(0), keyValueHeads, group, keys);

    // A gate differs from query to query, so no fused kernel applies. q·(g·k) is g·(q·k).
    private Tensor RunGated(Tensor query, Tensor key, Tensor value, AttentionPattern pattern, double dropout, int batch, int queries, int keys, Tensor gate)
    {
        using var scope = NewDisposeScope();
        var factor = cat([gate.to_type(query.dtype), ones([batch, gate.size(1), keys - gate.size(2)], query.dtype, query.device)], 2).unsqueeze(1);   // [batch, 1, queries or 1, keys]
        var scores = query.matmul(Repeat(key, batch, keys).transpose(2, 3)).mul(factor).mul(Constant(scale));
        if (softCap is { } cap) scores = scores.div(Constant(cap)).tanh().mul(Constant(cap));
        if (pattern.Mask is { } mask) scores = scores.add(mask, One);
        if (pattern.LastKeys is { } last) scores = cat([full_like(scores.narrow(3, 0, keys - last), Constant(double.NegativeInfinity)), scores.narrow(3, keys - last, last)], 3);
        var weights = nn.functional.dropout(nn.functional.softmax(scores, -1, query.dtype == ScalarType.Float64 ? ScalarType.Float64 : ScalarType.Float32).to_type(query.dtype), dropout, dropout > 0);
        return weights.mul(factor).matmul(Repeat(value, batch, keys)).transpose(1, 2).reshape(batch, queries, heads * size).MoveToOuterDisposeScope();
    }

    private Tensor Repeat(Tensor shared, int batch, int keys)
    {
        if (group == 1) return shared.alias();
        using var apart = shared.unsqueeze(2);
        using var wide = apart.expand(batch, keyValueHeads, group, keys, size);
        return wide.reshape(batch, heads, keys, size);
    }

    private Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, double dropout, bool eager)
    {
        if (eager || IsCapped) return AttendEagerly(query, key, value, mask, causal, dropout);
        if (Math.Abs(queryFactor - 1) < 1e-12)
            return nn.functional.scaled_dot_product_attention(query, key, value, mask, dropout, causal);
        using var scaled = query.mul(Constant(queryFactor));
        return nn.functional.scaled_dot_product_attention(scaled, key, value, mask, dropout, causal);
    }

    private Tensor AttendEagerly(Tensor query, Tensor key, Tensor value, Tensor? mask, bool causal, double dropout)
    {
        using var keyT = key.transpose(2, 3);
        using var products = query.matmul(keyT);
        var scores = softCap is { } cap ? Cap(products, cap) : products.mul(Constant(scale));
        if (causal)
        {
            var length = (int)query.size(2);
            // The mask of ones masks nothing, but keeps Create from returning PurelyCausal, which has no mask tensor.
            using var all = ones(1, length, ScalarType.Int64, query.device);
            using var pattern = AttentionPattern.Create(length, length, null, all, query.dtype, query.device);
            scores = Add(scores, pattern.Mask!);
        }
        else if (mask is not null)
        {
            scores = Add(scores, mask);
        }
        using var held = scores;
        using var weights = nn.functional.softmax(held, -1, ScalarType.Float32);
        using var cast = weights.to_type(query.dtype);
        using var kept = nn.functional.dropout(cast, dropout, dropout > 0);
        return kept.matmul(value);
    }

    private Tensor Cap(Tensor products, double cap)
    {
        using var small = products.mul(Constant(scale / cap));
        using var bent = small.tanh();
        return bent.mul(Constant(cap));
    }

    private static Tensor Add(Tensor scores, Tensor mask)
    {
        using (scores) return scores.add(mask, One);
    }
}
