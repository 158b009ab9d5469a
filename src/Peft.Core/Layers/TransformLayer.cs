using static TorchSharp.torch;

namespace Peft;

/// <summary>A layer that transforms the input or the output: y = TransformOutput(x, f(TransformInput(x))).</summary>
/// <param name="target">The adapted module.</param>
public abstract class TransformLayer(Target target) : AdapterLayer(target)
{
    /// <summary>Computes the input of the enclosed module. Return the same object to leave it unchanged.</summary>
    protected virtual Tensor TransformInput(Tensor input) => input;

    /// <summary>Computes the layer's output.</summary>
    /// <param name="input">The layer's own input.</param>
    /// <param name="output">The enclosed module's output.</param>
    protected virtual Tensor TransformOutput(Tensor input, Tensor output) => output;

    /// <inheritdoc/>
    protected internal sealed override Tensor Forward(Tensor input, Inner inner)
    {
        // The transformations run in the layer's dtype, which is wider than that of a 16-bit model. The module runs in its own dtype.
        var wide = Target.IsLookup ? input : As(input, TensorType);
        var changed = TransformInput(wide);
        var output = inner.Forward(ReferenceEquals(changed, wide) ? input : As(changed, input.dtype));
        return As(TransformOutput(wide, As(output, TensorType)), output.dtype);
    }

    private static Tensor As(Tensor value, ScalarType type) => value.dtype == type ? value : value.to_type(type);
}
