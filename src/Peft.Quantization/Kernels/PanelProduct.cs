using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Quantization.Kernels;

/// <summary>Products with a quantized matrix, a panel of its rows at a time: the values are still in the cache when they are multiplied, and the dequantized matrix never exists.</summary>
internal static class PanelProduct
{
    private const long Unit = 48;    // rows
    private const long Most = 528;   // rows of a panel of short rows

    /// <summary>x·Wᵀ for an input <c>[…, in]</c>.</summary>
    public static Tensor Multiply(QuantizedMatrix matrix, Tensor input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var output = Empty(input, matrix.Rows);   // no view, which autograd would let nobody add to
        var (x, y) = (input.reshape(input.numel() / matrix.Columns, matrix.Columns), output.view(output.numel() / matrix.Rows, matrix.Rows));
        ForEach(matrix, input, (panel, first, count) => Product(x, panel, y.narrow(1, first, count), add: false));
        return output.MoveToOuterDisposeScope();
    }

    /// <summary>y·W for an input <c>[…, out]</c>.</summary>
    public static Tensor MultiplyTransposed(QuantizedMatrix matrix, Tensor input)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var output = Empty(input, matrix.Columns);
        var (y, x) = (input.reshape(input.numel() / matrix.Rows, matrix.Rows), output.view(output.numel() / matrix.Columns, matrix.Columns));
        ForEach(matrix, input, (panel, first, count) => Product(y.narrow(1, first, count), panel.t(), x, add: first > 0));
        return output.MoveToOuterDisposeScope();
    }

    private static Tensor Empty(Tensor input, long width)
    {
        long[] shape = [.. input.shape[..^1], width];
        return TensorMemory.Supports(input) ? CachingAllocator.Empty(shape) : empty(shape, input.dtype, input.device);
    }

    // to = x·Wᵀ, or to + x·Wᵀ.
    private static void Product(Tensor x, Tensor weight, Tensor to, bool add)
    {
        if (x.stride(1) == 1 && MatrixProduct.Supports(x, weight, x.size(1))) MatrixProduct.RunInto(x, weight, to, add);
        else to.addmm_(x, weight.t(), add ? 1 : 0);
    }

    private static void ForEach(QuantizedMatrix matrix, Tensor input, Action<Tensor, long, long> use)
    {
        // Other devices have no such cache.
        var height = input.device_type == DeviceType.CPU ? Math.Clamp(PanelMemory.Size / matrix.Columns / Unit * Unit, Unit, Most) : matrix.Rows;
        var reader = matrix.OpenReader();
        using var memory = reader is null ? null : PanelMemory.Take(height * matrix.Columns);
        for (long first = 0; first < matrix.Rows; first += height)
        {
            using var scope = NewDisposeScope();
            var count = Math.Min(height, matrix.Rows - first);
            use(Panel(first, count), first, count);
        }
        GC.KeepAlive(matrix);

        Tensor Panel(long first, long count)
        {
            if (reader is null) return Values.As(matrix.DequantizeRows(first, count), input.dtype);
            var panel = memory!.Values.narrow(0, 0, count * matrix.Columns).view(count, matrix.Columns);
            reader.Read(first, panel, inShares: false);   // torch's threads still wait for work, and would be in the way of others
            return panel.to_type(input.dtype);
        }
    }
}
