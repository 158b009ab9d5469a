using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Which keys a query sees.</summary>
/// <param name="Mask">Added to the scores, broadcast to <c>[batch, heads, queries, keys]</c>; null if nothing but causality hides a key.</param>
/// <param name="Causal">Whether query i sees the keys up to i, without a mask.</param>
/// <param name="LastKeys">If set, only the last keys take part.</param>
/// <param name="BlindsQueries">Whether some query sees no key and gradients are taken: it averages all, and torch's kernels give that a wrong gradient.</param>
internal sealed record AttentionPattern(Tensor? Mask, bool Causal, int? LastKeys = null, bool BlindsQueries = false) : IDisposable
{
    /// <summary>Every query sees every key.</summary>
    public static readonly AttentionPattern Everything = new(null, false);

    /// <summary>Query i sees the keys 0 to i.</summary>
    public static readonly AttentionPattern PurelyCausal = new(null, true);

    /// <param name="queries">Number of queries; they are the last positions.</param>
    /// <param name="keys">Number of keys.</param>
    /// <param name="window">Keys that a query sees, itself included; null for all.</param>
    /// <param name="keyMask">1 for keys that exist, <c>[batch, keys]</c>; null if all do.</param>
    /// <param name="type">Type of the mask.</param>
    /// <param name="device">Device of the mask.</param>
    /// <param name="causal">Whether a query sees no later key; without it there is no window.</param>
    /// <param name="bias">Added to the scores, <c>[1, heads, queries, keys]</c>; null for nothing.</param>
    /// <param name="absent">How many of the first keys are not there for queries that see nothing either.</param>
    /// <param name="counted">1 for keys that are a distance to the window, <c>[batch, keys]</c>; null if all are.</param>
    public static AttentionPattern Create(
        int queries, int keys, int? window, Tensor? keyMask, ScalarType type, Device device, bool causal = true, Tensor? bias = null, Tensor? counted = null, int absent = 0)
    {
        if (window >= keys) window = null;
        if (keyMask is null && bias is null)
        {
            if (!causal) return Everything;
            if (queries == 1) return window is { } last ? new(null, false, last) : Everything;
            if (queries == keys && window is null) return PurelyCausal;
        }

        using var scope = NewDisposeScope();
        var hidden = Hidden(queries, keys, window, keyMask, device, causal, counted);
        if (hidden is null) return new(bias!.alias().MoveToOuterDisposeScope(), false);
        // A finite number: a query that sees nothing (padding) then averages all keys, where -∞ would give NaN.
        var mask = (bias ?? zeros(hidden.shape, type, device)).masked_fill(hidden, Kept(Lowest(type)));
        if (absent > 0) mask.narrow(-1, 0, absent).masked_fill_(hidden.narrow(-1, 0, absent), Kept(double.NegativeInfinity));
        var blinds = keyMask is not null && is_grad_enabled() && hidden.all(-1).any().item<bool>();
        return new(mask.MoveToOuterDisposeScope(), false, BlindsQueries: blinds);
    }

    // True where a query does not see a key, broadcast to [batch, heads, queries, keys].
    private static Tensor? Hidden(int queries, int keys, int? window, Tensor? keyMask, Device device, bool causal, Tensor? counted)
    {
        var unreal = keyMask?.eq(Kept(0)).unsqueeze(1).unsqueeze(1);   // [batch, 1, 1, keys]
        if (!causal || (queries == 1 && window is null)) return unreal;
        var query = arange(Kept(keys - queries), Kept(keys), One, ScalarType.Int64, device).unsqueeze(1);
        var distance = query.sub(arange(Kept(0), Kept(keys), One, ScalarType.Int64, device));   // [queries, keys]
        var hidden = distance.lt(Kept(0));
        if (window is { } width) hidden = hidden.logical_or(counted is not null ? Between(counted, queries).ge(Kept(width)) : distance.ge(Kept(width)));
        return unreal is null ? hidden : hidden.logical_or(unreal);
    }

    // Keys that count from a key to a query, [batch, 1, queries, keys].
    private static Tensor Between(Tensor counted, int queries)
    {
        var rank = counted.ne(Kept(0)).to_type(ScalarType.Int64).cumsum(1);
        return rank.narrow(1, rank.shape[1] - queries, queries).unsqueeze(2).sub(rank.unsqueeze(1)).unsqueeze(1);
    }

    private static double Lowest(ScalarType type) => type switch
    {
        ScalarType.Float16 => -65504,
        ScalarType.BFloat16 => -3.3895313892515355e38,
        ScalarType.Float64 => double.MinValue,
        _ => float.MinValue,
    };

    public void Dispose() => Mask?.Dispose();
}
