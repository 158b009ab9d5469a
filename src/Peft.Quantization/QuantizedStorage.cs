using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>A module's weight that is held as a <see cref="QuantizedMatrix"/>.</summary>
public sealed class QuantizedStorage : WeightStorage, IQuantizesInputs, IFixedStorage, IReadsRows
{
    private readonly bool transposed;
    private ScalarType computeType;
    private bool given;

    /// <summary>Holds a matrix, which the storage then owns.</summary>
    /// <param name="matrix">The matrix <c>[out, in]</c>.</param>
    /// <param name="transposed">True if the module's weight is <c>[in, out]</c>, as that of <see cref="Modules.TransposedLinear"/>.</param>
    /// <param name="computeType">Dtype of the values that are read, and of inputs.</param>
    /// <exception cref="ArgumentException">The dtype is not floating-point.</exception>
    public QuantizedStorage(QuantizedMatrix matrix, bool transposed = false, ScalarType computeType = ScalarType.Float32)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        if (computeType is not (ScalarType.Float16 or ScalarType.BFloat16 or ScalarType.Float32 or ScalarType.Float64))
            throw new ArgumentException($"Products are of floating-point numbers, but the dtype is {computeType}.", nameof(computeType));
        (Matrix, this.transposed, this.computeType) = (matrix, transposed, computeType);
        Shape = transposed ? [matrix.Columns, matrix.Rows] : [matrix.Rows, matrix.Columns];
    }

    /// <summary>The matrix. Merging replaces it.</summary>
    public QuantizedMatrix Matrix { get; private set; }

    /// <inheritdoc/>
    public override IReadOnlyList<long> Shape { get; }

    /// <inheritdoc/>
    public override ScalarType ComputeType => computeType;

    /// <inheritdoc/>
    public override Device Device => Matrix.Device;

    /// <inheritdoc/>
    public override long Bytes => Matrix.Bytes;

    /// <summary>True if the matrix is LLM.int8 with a threshold for inputs.</summary>
    public bool QuantizesInputs => Matrix is Int8Matrix { InputThreshold: not null };

    /// <inheritdoc/>
    public string? WhyFixed => Matrix.WhyFixed;

    /// <inheritdoc/>
    public override Tensor Read()
    {
        var values = Values.As(Matrix.Dequantize(), computeType);
        if (!transposed) return values;
        using (values) return values.t();
    }

    Tensor IReadsRows.ReadRows(Tensor indices)
    {
        if (indices.dtype is not (ScalarType.Int64 or ScalarType.Int32)) throw new ArgumentException($"The ids are {TensorRules.Describe(indices)}, but must be int64 or int32.", nameof(indices));
        if (indices.device.ToString() != Device.ToString()) throw new ArgumentException($"The ids are on {indices.device}, but the table on {Device}: move one of them.", nameof(indices));
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        if (transposed) return Read().index_select(0, indices).MoveToOuterDisposeScope();
        var rows = indices.to_type(ScalarType.Int64).cpu().contiguous().data<long>().ToArray();
        foreach (var row in rows)
            if (row < 0 || row >= Matrix.Rows) throw new ArgumentOutOfRangeException(nameof(indices), row, $"The table has {Matrix.Rows} rows.");
        return Values.As(Matrix.Dequantize(rows), computeType).MoveToOuterDisposeScope();
    }

    /// <summary>Sets the threshold of LLM.int8 weights. No effect on other kinds.</summary>
    internal void SetInputThreshold(double? threshold)
    {
        if (Matrix is not Int8Matrix before) return;
        Matrix = before.WithThreshold(threshold);
        before.Dispose();
    }

    /// <inheritdoc/>
    public Tensor MultiplyQuantized(Tensor input) => ((Int8Matrix)Matrix).MultiplyQuantized(input);

    /// <inheritdoc/>
    protected internal override Tensor Product(Tensor input) => transposed ? Matrix.MultiplyTransposed(input) : Matrix.Multiply(input);

    internal override DecodeMatrix? DecodeMatrix(bool transposed)
        => transposed == this.transposed && computeType == ScalarType.Float32 && !QuantizesInputs ? Matrix.DecodeMatrix() : null;

    /// <inheritdoc/>
    protected internal override Tensor TransposedProduct(Tensor input) => transposed ? Matrix.Multiply(input) : Matrix.MultiplyTransposed(input);

    /// <inheritdoc/>
    protected internal override WeightStorage Replace(Tensor values)
    {
        ArgumentNullException.ThrowIfNull(values);
        using var matrix = transposed ? values.t() : values.alias();
        var previous = new QuantizedStorage(Matrix, transposed, computeType);
        Matrix = Matrix.With(matrix);
        return previous;
    }

    /// <inheritdoc/>
    protected internal override void Restore(WeightStorage previous)
    {
        var before = previous as QuantizedStorage ?? throw new ArgumentException("The values are not those that Replace returned.", nameof(previous));
        Matrix.Dispose();
        Matrix = before.Matrix;
        before.given = true;
    }

    /// <inheritdoc/>
    protected internal override void Convert(ScalarType? computeType, Device? device)
    {
        if (computeType is { } type) this.computeType = type;
        if (device is null || device.ToString() == Matrix.Device.ToString()) return;
        using var before = Matrix;
        Matrix = Matrix.To(device);
    }

    /// <inheritdoc/>
    protected internal override void Release()
    {
        if (!given) Matrix.Dispose();
    }
}
