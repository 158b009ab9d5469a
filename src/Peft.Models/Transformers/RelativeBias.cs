using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// A learned bias per head that depends on the distance between query and key (Raffel et al. 2019, arXiv:1910.10683). Each bucket of the first half contains one
/// distance; the others widen logarithmically. If later keys are visible too, half of all buckets are for them.
/// </summary>
internal sealed class RelativeBias(RelativePositions settings, int heads, bool causal, Placement at)
{
    /// <summary>The bias table <c>[buckets, heads]</c>.</summary>
    public Embedding Table { get; } = new(settings.Buckets, heads, at.Type, at.Device);

    /// <summary>The bias of queries at the positions from <paramref name="past"/> on, for all keys: <c>[1, heads, length, past + length]</c>.</summary>
    public Tensor Of(int past, int length, ScalarType type)
    {
        using var scope = NewDisposeScope();
        var device = Table.Weight.device;
        var keys = past + length;
        var distances = arange(Constant(1 - keys), Constant(length), One, ScalarType.Int64, device);   // key − query
        var rows = Table.call(Buckets(distances, settings, causal));   // [distances, heads]
        var query = arange(Constant(past), Constant(keys), One, ScalarType.Int64, device).unsqueeze(1);
        var index = arange(Constant(0), Constant(keys), One, ScalarType.Int64, device).sub(query).add(Constant(keys - 1), One).reshape(-1);
        return rows.index_select(0, index).view(length, keys, -1).permute(2, 0, 1).unsqueeze(0).to_type(type).contiguous().MoveToOuterDisposeScope();
    }

    /// <summary>The bucket of each distance key − query.</summary>
    public static Tensor Buckets(Tensor distances, RelativePositions settings, bool causal)
    {
        var count = causal ? settings.Buckets : settings.Buckets / 2;
        var far = causal ? distances.clamp(max: Constant(0)).neg() : distances.abs();
        var exact = count / 2;
        // In float32 as in published implementations: rounding decides at the bucket boundaries.
        var wide = far.to_type(ScalarType.Float32).div(Constant(exact)).log().div(Constant(Math.Log((double)settings.MaxDistance / exact))).mul(Constant(count - exact))
            .to_type(ScalarType.Int64).add(Constant(exact), One).clamp(max: Constant(count - 1));
        var bucket = where(far.lt(Constant(exact)), far, wide);
        return causal ? bucket : bucket.add(distances.gt(Constant(0)).to_type(ScalarType.Int64).mul(Constant(count)), One);
    }
}
