using Peft.Kernels;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The table of relative positions of disentangled attention, with its norm.</summary>
internal sealed class RelativeTable(DisentangledPositions settings, TransformerSpec spec, Placement at)
{
    /// <summary>The table <c>[2·span, hidden]</c>.</summary>
    public Embedding Table { get; } = new(2 * settings.Span, spec.HiddenSize, at.Type, at.Device);

    /// <summary>Its norm; null for none.</summary>
    public AdaptableModule? Norm { get; } = settings.IsNormalized ? TransformerParts.Norm(spec, spec.HiddenSize, at) : null;

    /// <summary>The embeddings for sequences of a length.</summary>
    public RelativeStates Of(int length, Device device)
    {
        var rows = Table.call(arange(Constant(0), Constant(2 * settings.Span), One, ScalarType.Int64, device).unsqueeze(0));
        if (Norm is not null) rows = Norm.call(rows);
        if (settings.Dropout > 0 && Table.training) rows = DropoutMask.Run(rows, settings.Dropout);
        var each = arange(Constant(0), Constant(length), One, ScalarType.Int64, device);
        var distances = each.unsqueeze(1).sub(each.unsqueeze(0));   // query − key
        if (settings.Buckets) distances = Bucket(distances);
        Tensor Row(Tensor distance) => distance.add(Constant(settings.Span), One).clamp(Constant(0), Constant(2 * settings.Span - 1));
        return new(rows, Row(distances), Row(distances.neg()));
    }

    // In float32 as in published implementations: rounding decides at the borders of buckets.
    private Tensor Bucket(Tensor distances)
    {
        var middle = settings.Span / 2;
        var size = distances.abs();
        var near = size.lt(Constant(middle));
        var far = where(near, full_like(size, Constant(middle - 1)), size).to_type(ScalarType.Float32);
        var logarithms = far.div(Constant(middle)).log().div(tensor((float)((settings.MaxDistance - 1) / (double)middle), device: distances.device).log()).mul(Constant(middle - 1)).ceil().add(Constant(middle), One);
        return where(far.le(Constant(middle)), distances.to_type(ScalarType.Float32), logarithms.mul(distances.sign().to_type(ScalarType.Float32))).to_type(ScalarType.Int64);
    }
}
