using static TorchSharp.torch;

namespace Peft;

/// <summary>The gradient of a weight that is not a parameter, summed over its products in backward passes, in float32.</summary>
internal sealed class WeightGradient : IDisposable
{
    /// <summary>The gradient in the weight's shape; null before the first product.</summary>
    public Tensor? Value { get; private set; }

    /// <summary>Adds the gradient of a product.</summary>
    /// <param name="input">The input of the product.</param>
    /// <param name="gradient">The gradient of its output.</param>
    /// <param name="transposed">False for x·Wᵀ, true for y·W.</param>
    public void Add(Tensor input, Tensor gradient, bool transposed)
    {
        using var scope = NewDisposeScope();
        var (x, g) = (Rows(input), Rows(gradient));
        var added = transposed ? x.t().mm(g) : g.t().mm(x);
        if (Value is null) Value = added.DetachFromDisposeScope();
        else Value.add_(added, One);

        static Tensor Rows(Tensor tensor) => tensor.reshape(-1, tensor.size(-1)).to_type(ScalarType.Float32);
    }

    public void Dispose() => Value?.Dispose();
}
