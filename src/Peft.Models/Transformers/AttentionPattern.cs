using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The keys that each query attends to.</summary>
/// <param name="Mask">Additive mask, broadcast to <c>[batch, heads, queries, keys]</c>; null if only causality hides keys.</param>
/// <param name="Causal">True if query i attends to the keys up to i, without a mask.</param>
/// <param name="LastKeys">Number of keys at the end that are attended to; null for all.</param>
/// <param name="BlindsQueries">True if some query attends to no key while gradients are computed. Such a query averages all keys, for which torch's kernels compute a wrong gradient.</param>
internal sealed record AttentionPattern(Tensor? Mask, bool Causal, int? LastKeys = null, bool BlindsQueries = false) : IDisposable
{
    /// <summary>Every query attends to every key.</summary>
    public static readonly AttentionPattern Everything = new(null, false);

    /// <summary>Query i attends to the keys 0 to i.</summary>
    public static readonly AttentionPattern PurelyCausal = new(null, true);

    /// <param name="queries">Number of queries; they are the last positions.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="window">Sliding window: the number of keys that a query attends to, itself included; null for all.</param>
    /// <param name="keyMask">1 for real keys, 0 for padding, <c>[batch, keys]</c>; null if all are real.</param>
    /// <param name="type">Dtype of the mask.</param>
    /// <param name="device">Device of the mask.</param>
    /// <param name="causal">True if a query attends to no later key. Without it the window applies on both sides.</param>
    /// <param name="bias">Additive bias of the scores, <c>[1, heads, queries, keys]</c>; null for none.</param>
    /// <param name="absent">Number of keys at the beginning that are hidden even from queries that attend to no key.</param>
    /// <param name="counted">1 for keys that count towards distances in the window, <c>[batch, keys]</c>; null if all do.</param>
    public static AttentionPattern Create(
        int queries, int keys, int? window, Tensor? keyMask, ScalarType type, Device device, bool causal = true, Tensor? bias = null, Tensor? counted = null, int absent = 0)
    {
        if (window >= keys) window = null;
        if (keyMask is null && bias is null)
        {
            if (!causal && window is null) return Everything;
            if (queries == 1 && causal) return window is { } last ? new(null, false, last) : Everything;
            if (queries == keys && window is null && causal) return PurelyCausal;
        }

        using var scope = NewDisposeScope();
        var hidden = Hidden(queries, keys, window, keyMask, device, causal, counted);
        if (hidden is null) return new(bias!.alias().MoveToOuterDisposeScope(), false);
        // A finite value: a query without a visible key (padding) averages all keys, where −∞ would give NaN.
        var mask = (bias ?? zeros(hidden.shape, type, device)).masked_fill(hidden, Constant(Lowest(type)));
        if (absent > 0) mask.narrow(-1, 0, absent).masked_fill_(hidden.narrow(-1, 0, absent), Constant(double.NegativeInfinity));
        var blinds = keyMask is not null && is_grad_enabled() && hidden.all(-1).any().item<bool>();
        return new(mask.MoveToOuterDisposeScope(), false, BlindsQueries: blinds);
    }

    // True where a query does not attend to a key, broadcast to [batch, heads, queries, keys].
    private static Tensor? Hidden(int queries, int keys, int? window, Tensor? keyMask, Device device, bool causal, Tensor? counted)
    {
        var padding = keyMask?.eq(Constant(0)).unsqueeze(1).unsqueeze(1);   // [batch, 1, 1, keys]
        if (window is null && (!causal || queries == 1)) return padding;
        var query = arange(Constant(keys - queries), Constant(keys), One, ScalarType.Int64, device).unsqueeze(1);
        var distance = query.sub(arange(Constant(0), Constant(keys), One, ScalarType.Int64, device));   // [queries, keys]
        var hidden = causal ? distance.lt(Constant(0)) : distance.le(Constant(-window!.Value));
        if (window is { } width) hidden = hidden.logical_or(counted is not null ? Between(counted, queries).ge(Constant(width)) : distance.ge(Constant(width)));
        return padding is null ? hidden : hidden.logical_or(padding);
    }

    // Number of counted keys between a key and a query, [batch, 1, queries, keys].
    private static Tensor Between(Tensor counted, int queries)
    {
        var rank = counted.ne(Constant(0)).to_type(ScalarType.Int64).cumsum(1);
        return rank.narrow(1, rank.size(1) - queries, queries).unsqueeze(2).sub(rank.unsqueeze(1)).unsqueeze(1);
    }

    internal static double Lowest(ScalarType type) => type switch
    {
        ScalarType.Float16 => -65504,
        ScalarType.BFloat16 => -3.3895313892515355e38,
        ScalarType.Float64 => double.MinValue,
        _ => float.MinValue,
    };

    public void Dispose() => Mask?.Dispose();
}
