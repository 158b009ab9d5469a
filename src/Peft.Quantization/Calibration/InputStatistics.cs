using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>What calibration keeps of the inputs x <c>[in]</c> of modules: the mean of x·xᵀ, and of |x|.</summary>
internal sealed class InputStatistics(long size, Device device) : IDisposable
{
    private long count;

    /// <summary>The mean of x·xᵀ, <c>[in, in]</c> in float32: half of the Hessian of the squared error of an output.</summary>
    public Tensor Gram { get; } = zeros([size, size], ScalarType.Float32, device).DetachFromDisposeScope();

    /// <summary>The mean of |x|, <c>[in]</c> in float32.</summary>
    public Tensor Magnitude { get; } = zeros([size], ScalarType.Float32, device).DetachFromDisposeScope();

    /// <summary>Adds inputs <c>[positions, in]</c>.</summary>
    public void Add(Tensor inputs)
    {
        using var scope = NewDisposeScope();
        var added = inputs.size(0);
        if (added == 0) return;
        var rows = inputs.to_type(ScalarType.Float32);
        var (kept, share) = (Constant((double)count / (count + added)), Constant(1.0 / (count + added)));
        Gram.mul_(kept).add_(rows.t().mm(rows), alpha: share);
        Magnitude.mul_(kept).add_(rows.abs().sum(dim: 0), alpha: share);
        count += added;
    }

    /// <summary>The squared error of the outputs, relative to their size, if a matrix <c>[in, out]</c> is replaced by another.</summary>
    public double Error(Tensor matrix, Tensor replacement)
    {
        using var scope = NewDisposeScope();
        var size = Energy(matrix);
        var error = Energy(replacement.sub(matrix));
        return error == 0 ? 0 : error / size;
    }

    /// <summary>The mean squared sum of the outputs of a matrix <c>[in, out]</c>.</summary>
    public double Energy(Tensor matrix)
    {
        using var scope = NewDisposeScope();
        return Gram.mm(matrix).mul_(matrix).sum().item<float>();
    }

    public void Dispose()
    {
        Gram.Dispose();
        Magnitude.Dispose();
    }
}
