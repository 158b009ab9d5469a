using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// A frozen matrix <c>[out, in]</c> in a few bits per value. Immutable: other values are another matrix. A kind implements how values are held and
/// dequantized; products that read the codes themselves are optional.
/// </summary>
public abstract class QuantizedMatrix : IDisposable
{
    private protected QuantizedMatrix(long rows, long columns) => (Rows, Columns) = (rows, columns);

    /// <summary>Number of outputs.</summary>
    public long Rows { get; }

    /// <summary>Number of inputs.</summary>
    public long Columns { get; }

    /// <summary>Name of the kind, such as <c>nf4</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Device of the values.</summary>
    public Device Device => Held.First().Value.device;

    /// <summary>Size of everything that is held, in bytes.</summary>
    public long Bytes => Held.Sum(pair => pair.Value.numel() * pair.Value.ElementSize);

    /// <summary>The values <c>[out, in]</c> as a new tensor, in the dtype that the kind gives them: mostly float32.</summary>
    public abstract Tensor Dequantize();

    /// <summary>Other values in the same form, with the same settings.</summary>
    /// <param name="values">The values <c>[out, in]</c>.</param>
    /// <exception cref="QuantizationException">The values are not finite, or the kind cannot be written (<see cref="WhyFixed"/>).</exception>
    public QuantizedMatrix With(Tensor values)
    {
        Values.Require(values);
        if (WhyFixed is { } reason) throw new QuantizationException(reason);
        return Requantize(values);
    }

    /// <summary>Quantizes other values with the same settings.</summary>
    private protected abstract QuantizedMatrix Requantize(Tensor values);

    /// <summary>Why the kind takes no other values, as a sentence; null if it does.</summary>
    internal virtual string? WhyFixed => null;

    /// <summary>x·Wᵀ for an input <c>[…, in]</c>, without gradients. By default, the matrix is dequantized for the product.</summary>
    public virtual Tensor Multiply(Tensor input)
    {
        using var values = DequantizeAs(input);
        return nn.functional.linear(input, values);
    }

    /// <summary>y·W for an input <c>[…, out]</c>, without gradients. By default, the matrix is dequantized for the product.</summary>
    public virtual Tensor MultiplyTransposed(Tensor input)
    {
        using var values = DequantizeAs(input);
        using var transposed = values.t();
        return nn.functional.linear(input, transposed);
    }

    /// <summary>The tensors that are held, by their names in a checkpoint after the module's path.</summary>
    internal abstract IReadOnlyDictionary<string, Tensor> Held { get; }

    /// <summary>The same matrix on another device.</summary>
    internal abstract QuantizedMatrix To(Device device);

    private Tensor DequantizeAs(Tensor input)
    {
        TensorRules.RequireAlive(input, nameof(input));
        return Values.As(Dequantize(), input.dtype);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var tensor in Held.Values) tensor.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Kind} [{Rows}, {Columns}]";
}
