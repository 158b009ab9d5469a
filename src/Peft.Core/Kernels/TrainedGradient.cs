using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The gradient of a trained tensor, to which kernels add: in the trainer's memory (<see cref="DirectGradients"/>), or as a new tensor.</summary>
internal sealed unsafe class TrainedGradient
{
    private readonly Tensor trained;
    private readonly nint place;   // the trainer's memory; 0 if there is none

    private TrainedGradient(Tensor trained)
    {
        this.trained = trained;
        if (MatrixProduct.IsSupported) place = DirectGradients.Of(trained);
        if (place == 0) Result = zeros(trained.shape, trained.dtype, trained.device);   // contiguous, even if the tensor is the transpose of a parameter
    }

    /// <summary>The gradient, 0 at first.</summary>
    /// <param name="trained">The tensor.</param>
    public static TrainedGradient Of(Tensor trained) => new(trained);

    /// <summary>What a node returns for the tensor; null if all is in the trainer's memory.</summary>
    public Tensor? Result { get; }

    /// <summary>Adds Lᵀ·R, for a trained matrix <c>[left, right]</c>.</summary>
    /// <param name="left">L <c>[…, left]</c>, contiguous.</param>
    /// <param name="right">R <c>[…, right]</c>, contiguous.</param>
    /// <returns>This gradient.</returns>
    public TrainedGradient AddProduct(Tensor left, Tensor right)
    {
        if (MatrixProduct.IsSupported && TensorMemory.Supports(trained, left, right))
        {
            if (SmallMatrix.Supports(right.size(-1), left.size(-1))) new SmallMatrix((int)right.size(-1), (int)left.size(-1)).AddGradient(left, right, Address());
            else MatrixProduct.OfRows(left, right, Address(), add: true);
            return this;
        }
        // Then there is no place either.
        using Tensor rows = left.view(-1, left.size(-1)), turned = rows.t(), others = right.view(-1, right.size(-1)), product = turned.mm(others);
        Result!.add_(product, One);
        return this;
    }

    /// <summary>Adds the sum of rows, for a trained bias <c>[size]</c>.</summary>
    /// <param name="rows"><c>[…, size]</c>, contiguous, in float32 on the CPU, as in the other methods.</param>
    /// <returns>This gradient.</returns>
    public TrainedGradient AddSum(Tensor rows)
    {
        var size = (int)trained.numel();
        var (count, from) = ((int)(rows.numel() / size), TensorAddress.Of(rows));
        InColumns(size, (to, first, columns) =>
        {
            for (var row = 0; row < count; row++) FactoredProduct.AddRow((float*)to, (float*)from + (nint)row * size + first, 1, columns);
        });
        GC.KeepAlive(rows);
        return this;
    }

    /// <summary>Adds rows to some rows of a trained table <c>[rows, size]</c>.</summary>
    /// <param name="ids">Indices of the rows <c>[count]</c>.</param>
    /// <param name="rows"><c>[count, size]</c>, contiguous.</param>
    /// <returns>This gradient.</returns>
    public TrainedGradient AddRows(Tensor ids, Tensor rows)
    {
        var (count, size) = ((int)ids.numel(), (int)trained.size(1));
        var (indices, from) = (TensorAddress.Of(ids), TensorAddress.Of(rows));
        InColumns(size, (to, first, columns) =>
        {
            for (var i = 0; i < count; i++) FactoredProduct.AddRow((float*)to + (nint)((long*)indices)[i] * size, (float*)from + (nint)i * size + first, 1, columns);
        });
        GC.KeepAlive(ids);
        GC.KeepAlive(rows);
        return this;
    }

    /// <summary>Adds what each row contributes, for the trained weight <c>[size]</c> of a normalization.</summary>
    /// <param name="input">The normalized values <c>[…, size]</c>, contiguous.</param>
    /// <param name="gradient">The gradient of the output <c>[…, size]</c>, contiguous.</param>
    /// <param name="row">Adds the contribution of a row, given the addresses of its input, its gradient and a sum, <c>[size]</c> each.</param>
    /// <returns>This gradient.</returns>
    public TrainedGradient AddRowwise(Tensor input, Tensor gradient, Action<nint, nint, nint> row)
    {
        var size = (int)trained.numel();
        var bytes = (nint)size * sizeof(float);
        var (x, g) = (TensorAddress.Of(input), TensorAddress.Of(gradient));
        using var scratch = new Scratch(size * get_num_threads());
        var sums = scratch.Zeros(size * get_num_threads());
        var at = (nint)sums;
        var shares = TensorMemory.InShares((int)(input.numel() / size), (share, start, count) =>
        {
            for (var i = start; i < start + count; i++) row(x + i * bytes, g + i * bytes, at + share * bytes);
        });
        GC.KeepAlive(input);
        GC.KeepAlive(gradient);
        for (var (share, to) = (0, Address()); share < shares; share++) FactoredProduct.AddRow((float*)to, sums + (nint)share * size, 1, size);
        return this;
    }

    // Each thread has columns of its own, so that the order of the sums is the same in each run.
    private void InColumns(int size, Action<nint, int, int> part)
    {
        const int CacheLine = 64 / sizeof(float);
        var to = Address();
        TensorMemory.InRanges(size, CacheLine, (first, columns) => part(to + (nint)first * sizeof(float), first, columns));
    }

    private nint Address() => place != 0 ? place : TensorAddress.Of(Result!);
}
