using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>
/// GPTQ of one matrix (Frantar et al. 2022, arXiv:2210.17323, algorithm 1): input after input is rounded, and the error is spread over the following inputs by the Cholesky factor of the inverse Hessian.
/// Unlike the published code, a group's grid follows from all updates so far, and inputs that were always 0 are rounded and not set to 0.
/// </summary>
internal static class GptqSolver
{
    // The updates of the inputs after a block are applied once per block.
    private const int BlockSize = 128;

    /// <param name="matrix">The weights <c>[in, out]</c> in float32.</param>
    /// <param name="gram">The mean of x·xᵀ, <c>[in, in]</c>.</param>
    /// <param name="options">The settings.</param>
    /// <param name="path">The module, for error messages.</param>
    public static GroupedCodes Solve(Tensor matrix, Tensor gram, GptqOptions options, string path)
    {
        using var scope = NewDisposeScope();
        var (inputs, outputs) = (matrix.size(0), matrix.size(1));
        var size = options.SizeFor(inputs);
        GroupGrid? whole = options.StaticGroups ? GroupGrid.Of(matrix.view(-1, size, outputs), options.Bits, options.IsSymmetric, path) : null;
        var order = options.ActivationOrder ? gram.diagonal().argsort(descending: true) : null;
        var (weights, hessian) = order is null ? (matrix.clone(), gram) : (matrix.index_select(0, order), gram.index_select(0, order).index_select(1, order));
        var factor = Factor(hessian, options.Damping, path);
        var groupOf = order is null || whole is null ? null : order.cpu().data<long>().ToArray();

        var codes = empty_like(weights);
        var (scales, zeros) = (empty([inputs / size, 1, outputs], device: weights.device), empty([inputs / size, 1, outputs], device: weights.device));
        if (whole is { } own) (scales, zeros) = (own.Scales, own.Zeros);
        for (long start = 0, end; start < inputs; start = end)
        {
            using var block = NewDisposeScope();
            // Blocks end with groups, so that a group's grid sees all updates.
            end = Math.Min(start + BlockSize, whole is null ? (start / size + 1) * size : inputs);
            if (whole is null && start % size == 0)
            {
                var grid = GroupGrid.Of(weights.narrow(0, start, size).unsqueeze(0), options.Bits, options.IsSymmetric, path);
                scales.narrow(0, start / size, 1).copy_(grid.Scales);
                zeros.narrow(0, start / size, 1).copy_(grid.Zeros);
            }
            var grids = new GroupGrid(scales, zeros, (1 << options.Bits) - 1);
            var errors = empty(end - start, outputs, device: weights.device);
            for (var i = start; i < end; i++)
            {
                using var step = NewDisposeScope();
                var grid = grids.At((groupOf?[i] ?? i) / size);
                var value = weights.select(0, i);
                var code = grid.Codes(value);
                codes.select(0, i).copy_(code);
                var error = value.sub(grid.Values(code)).div_(factor.select(0, i).select(0, i));
                errors.select(0, i - start).copy_(error);
                if (i + 1 < end) weights.narrow(0, i + 1, end - i - 1).sub_(factor.select(0, i).narrow(0, i + 1, end - i - 1).unsqueeze(1).mul(error.unsqueeze(0)));
            }
            if (end < inputs) weights.narrow(0, end, inputs - end).sub_(factor.narrow(0, start, end - start).narrow(1, end, inputs - end).t().mm(errors));
        }

        var groups = Values.Groups(inputs, size, weights.device);
        if (order is not null)
        {
            var places = order.argsort();   // where each input is in the order
            codes = codes.index_select(0, places);
            if (whole is null) groups = groups.index_select(0, places);
        }
        return new GroupedCodes(codes, scales.view(-1, outputs).clone(), zeros.view(-1, outputs).clone(), groups).MoveOut();
    }

    // The upper Cholesky factor of the inverse of the damped Hessian. In float64, since inputs are often nearly dependent.
    private static Tensor Factor(Tensor gram, double damping, string path)
    {
        using var scope = NewDisposeScope();
        var hessian = gram.to_type(ScalarType.Float64).clone();
        var diagonal = hessian.diagonal();
        var isDead = diagonal.eq(Constant(0));
        var live = diagonal.numel() - isDead.sum().item<long>();
        var mean = live == 0 ? 1 : diagonal.sum().item<double>() / live;
        diagonal.masked_fill_(isDead, Constant(mean)).add_(Constant(damping * mean), One);
        try
        {
            var inverse = linalg.cholesky(hessian).cholesky_inverse();
            return linalg.cholesky(inverse).t().contiguous().to_type(ScalarType.Float32).MoveToOuterDisposeScope();
        }
        catch (ExternalException error)
        {
            throw new QuantizationException($"The Hessian of {path} has no inverse ({error.Message.Split('\n')[0]}): raise Damping, or give more samples. The model is unchanged.");
        }
    }
}
