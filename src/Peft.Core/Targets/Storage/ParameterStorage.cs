using Peft.Kernels;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A weight that is a floating-point parameter, or the values that a parameter had before.</summary>
internal sealed class ParameterStorage(Tensor held) : WeightStorage
{
    /// <summary>The parameter; null if it is a copy of earlier values.</summary>
    public Parameter? Value => held as Parameter;

    public override IReadOnlyList<long> Shape => held.shape;
    public override ScalarType ComputeType => held.dtype;
    public override Device Device => held.device;
    public override long Bytes => held.numel() * held.ElementSize;
    protected internal override object Identity => held;
    public override Tensor Read() => held.alias();
    internal override DecodeMatrix? DecodeMatrix(bool transposed) => PlainDecodeMatrix.Of(held, transposed);
    protected internal override Tensor Product(Tensor input) => Product(input, held);

    protected internal override Tensor TransposedProduct(Tensor input)
    {
        using var transposed = held.t();
        return Product(input, transposed);   // unlike matmul, its errors are exceptions
    }

    private static Tensor Product(Tensor input, Tensor matrix) => LinearProduct.Supports(input, matrix, null, matrix.size(1)) ? LinearProduct.Run(input, matrix, null) : nn.functional.linear(input, matrix);

    // Points the parameter at other memory and keeps its old memory, so that nothing is copied. If an adapter owns a full weight, as in
    // full fine-tuning, the module shares its memory, so that there is no third copy of the model.
    protected internal override WeightStorage Replace(Tensor values)
    {
        var previous = held.detach().DetachFromDisposeScope();
        held.set_(values.detach().to_type(held.dtype).contiguous());
        return new ParameterStorage(previous);
    }

    protected internal override void Restore(WeightStorage previous)
    {
        using var before = previous.Read();
        held.set_(before);
    }

    // TorchSharp converts the parameters of a module itself.
    protected internal override void Convert(ScalarType? computeType, Device? device) { }

    protected internal override void Release() => held.Dispose();
}
