using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A weight that is a floating-point parameter.</summary>
internal sealed class ParameterStorage(Parameter parameter) : WeightStorage
{
    /// <summary>The parameter.</summary>
    public Parameter Value => parameter;

    public override IReadOnlyList<long> Shape => parameter.shape;
    public override ScalarType ComputeType => parameter.dtype;
    public override Device Device => parameter.device;
    public override long Bytes => parameter.numel() * parameter.ElementSize;
    protected internal override object Identity => parameter;
    public override Tensor Read() => parameter.alias();
    public override Tensor Multiply(Tensor input) => nn.functional.linear(input, parameter);

    // The parameter is pointed at other memory, and its own memory is kept: nothing is copied. If an adapter holds a whole weight, as in
    // full fine-tuning, the module shares that memory, so that there is no third copy of the model.
    protected internal override WeightStorage Replace(Tensor values)
    {
        var previous = new Parameter(parameter.detach(), requires_grad: false);
        previous.DetachFromDisposeScope();
        parameter.set_(values.detach().to_type(parameter.dtype).contiguous());
        return new ParameterStorage(previous);
    }

    protected internal override void Restore(WeightStorage previous) => parameter.set_(previous.Parameter!);

    // TorchSharp converts the parameters of a module itself.
    protected internal override void Convert(ScalarType? computeType, Device? device) { }

    protected internal override void Release() => parameter.Dispose();
}
