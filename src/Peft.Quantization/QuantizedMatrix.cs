using Peft.Kernels;
using Peft.Quantization.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// A frozen matrix <c>[out, in]</c> in a few bits per value. Immutable: other values are another matrix. A kind implements how values are held, and
/// how rows are dequantized: by operations of torch on any device, and by a <see cref="ValueReader"/> if it has a kernel for the CPU. Products follow from either.
/// </summary>
public abstract class QuantizedMatrix : IDisposable
{
    private Device? device;
    private ValueReader? reader;
    private QuantizedDecodeMatrix? decode;
    private bool isDisposed;

    private protected QuantizedMatrix(long rows, long columns) => (Rows, Columns) = (rows, columns);

    /// <summary>Number of outputs.</summary>
    public long Rows { get; }

    /// <summary>Number of inputs.</summary>
    public long Columns { get; }

    /// <summary>Name of the kind, such as <c>nf4</c>.</summary>
    public abstract string Kind { get; }

    /// <summary>Device of the values.</summary>
    public Device Device => device ??= Held.First().Value.device;

    /// <summary>Size of the stored values in bytes.</summary>
    public long Bytes => Held.Sum(pair => pair.Value.numel() * pair.Value.ElementSize);

    /// <summary>The values <c>[out, in]</c> as a new tensor, in the dtype that the kind gives them: mostly float32.</summary>
    /// <exception cref="ObjectDisposedException">The matrix was disposed.</exception>
    public Tensor Dequantize() => Dequantize(0, Rows);

    /// <summary>Rows <c>[count, in]</c> as a new tensor.</summary>
    /// <param name="first">The first row: a multiple of 32.</param>
    /// <param name="count">Number of rows: a multiple of 32, or up to the last.</param>
    internal Tensor Dequantize(long first, long count)
    {
        if (OpenReader() is not { } reader) return DequantizeRows(first, count);
        var values = empty(count, Columns, Type);
        if (Type == ScalarType.Float32) reader.Read(first, values, inShares: true);
        else
            TensorParts.ForEach(count * Columns, Columns, (start, length) =>
            {
                var part = empty(length / Columns, Columns, ScalarType.Float32);
                reader.Read(first + start / Columns, part, inShares: true);
                values.narrow(0, start / Columns, length / Columns).copy_(part);
            });
        GC.KeepAlive(this);
        return values;
    }

    /// <summary>Rows <c>[count, in]</c> at given indices as a new tensor.</summary>
    internal Tensor Dequantize(long[] indices)
    {
        using var scope = NewDisposeScope();
        var values = empty([indices.Length, Columns], OpenReader() is null ? Type : ScalarType.Float32, Device);
        if (OpenReader() is { } reader) reader.Read(indices, values);
        else
        {
            // Few rows are read one by one, many together with their neighbors: one launch per row would take longer.
            var height = indices.Length <= 32 ? 32 : 4096;
            foreach (var part in Enumerable.Range(0, indices.Length).GroupBy(i => indices[i] / height * height))
                values.index_copy_(0, Indices(part.Select(i => (long)i)), DequantizeRows(part.Key, Math.Min(height, Rows - part.Key)).index_select(0, Indices(part.Select(i => indices[i] - part.Key))));
        }
        GC.KeepAlive(this);
        return values.to_type(Type).MoveToOuterDisposeScope();

        Tensor Indices(IEnumerable<long> numbers) => Values.Indices(numbers, Device);
    }

    /// <summary>Rows <c>[count, in]</c> by operations of torch, on the matrix' device.</summary>
    internal abstract Tensor DequantizeRows(long first, long count);

    /// <summary>Dtype of the values.</summary>
    private protected virtual ScalarType Type => ScalarType.Float32;

    /// <summary>A reader of the values, which are on the CPU; null if the kind has none.</summary>
    private protected virtual ValueReader? Reader() => null;

    /// <summary>A reader of the values; null if there is none. The matrix must be kept alive while it is used.</summary>
    /// <exception cref="ObjectDisposedException">The matrix was disposed.</exception>
    internal ValueReader? OpenReader()
    {
        ObjectDisposedException.ThrowIf(isDisposed, this);
        return reader ??= Device.type == DeviceType.CPU ? Reader() : null;
    }

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

    /// <summary>The reason that the kind cannot take other values, as a sentence; null if it can.</summary>
    internal virtual string? WhyFixed => null;

    /// <summary>x·Wᵀ for an input <c>[…, in]</c> of any floating-point dtype, which the result has too, without gradients. The dequantized matrix is never in memory as a whole.</summary>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The matrix or the input was disposed.</exception>
    public Tensor Multiply(Tensor input)
    {
        Require(input, Columns);
        if (OpenReader() is not { } reader || !RowProduct.Supports(input, Columns)) return PanelProduct.Multiply(this, input);
        var product = RowProduct.Run(reader, input, (int)Columns, (int)Rows);
        GC.KeepAlive(this);
        return product;
    }

    /// <summary>The matrix as a decode step reads it; null if there is no kernel for it. The matrix must be kept alive while it is used.</summary>
    internal DecodeMatrix? DecodeMatrix()
        => Type == ScalarType.Float32 && Columns == RowProduct.Padded((int)Columns) && OpenReader() is { } reader ? decode ??= new QuantizedDecodeMatrix(reader, (int)Rows, (int)Columns, (int)(Bytes / Rows)) : null;

    /// <summary>y·W for an input <c>[…, out]</c>, as <see cref="Multiply"/>.</summary>
    /// <exception cref="ArgumentException">The input does not fit.</exception>
    /// <exception cref="ObjectDisposedException">The matrix or the input was disposed.</exception>
    public Tensor MultiplyTransposed(Tensor input)
    {
        Require(input, Rows);
        return PanelProduct.MultiplyTransposed(this, input);
    }

    /// <summary>The stored tensors, by their names in a checkpoint after the module's path.</summary>
    internal abstract IReadOnlyDictionary<string, Tensor> Held { get; }

    /// <summary>The same matrix on another device.</summary>
    internal abstract QuantizedMatrix To(Device device);

    private void Require(Tensor input, long size)
    {
        TensorRules.RequireAlive(input, nameof(input));
        ObjectDisposedException.ThrowIf(isDisposed, this);
        if (input.dim() == 0 || input.size(-1) != size || !input.is_floating_point())
            throw new ArgumentException($"The input is {TensorRules.Describe(input)}, but must be floating-point numbers with {size} values in the last dimension.", nameof(input));
        if (input.device_type != Device.type || input.device_index != Device.index && input.device_type != DeviceType.CPU)
            throw new ArgumentException($"The input is on {input.device}, but the matrix on {Device}: move one of them.", nameof(input));
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        isDisposed = true;
        foreach (var tensor in Held.Values) tensor.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Kind} [{Rows}, {Columns}]";
}
