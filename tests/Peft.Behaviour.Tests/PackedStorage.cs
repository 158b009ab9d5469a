using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Behaviour.Tests;

/// <summary>A weight that is no parameter: the negatives of its values, in float64. Quantized weights differ from it only in what is stored.</summary>
internal sealed class PackedStorage : WeightStorage
{
    private readonly long[] shape;
    private Tensor codes;

    private PackedStorage(Tensor codes, long[] shape) => (this.codes, this.shape) = (codes, shape);

    public static PackedStorage Of(Tensor values) => new(Pack(values), values.shape);

    public override IReadOnlyList<long> Shape => shape;
    public override ScalarType ComputeType => ScalarType.Float32;
    public override Device Device => codes.device;
    public override long Bytes => codes.numel() * codes.ElementSize;
    public override Tensor Read() => codes.neg().to_type(ScalarType.Float32);

    protected override WeightStorage Replace(Tensor values)
    {
        var previous = new PackedStorage(codes, shape);
        codes = Pack(values);
        return previous;
    }

    protected override void Restore(WeightStorage previous)
    {
        codes.Dispose();
        codes = ((PackedStorage)previous).codes.alias().DetachFromDisposeScope();
    }

    protected override void Convert(ScalarType? computeType, Device? device) => throw new NotSupportedException();

    protected override void Release() => codes.Dispose();

    /// <summary>Packs the weight of every linear module in a model's layers.</summary>
    public static IReadOnlyList<PackedStorage> Pack(nn.Module model)
    {
        var packed = new List<PackedStorage>();
        foreach (var linear in model.named_modules().Where(pair => pair.name.Contains("layers.", StringComparison.Ordinal)).Select(pair => pair.module).OfType<Linear>())
        {
            packed.Add(Of(linear.Weight));
            linear.Store(packed[^1]);
        }
        return packed;
    }

    private static Tensor Pack(Tensor values) => values.detach().to_type(ScalarType.Float64).neg().DetachFromDisposeScope();
}
