using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·(W + s·B·A)ᵀ + b for a frozen matrix W and trainable low-rank factors B and A, as one node of the autograd graph. Summing small matrices
/// costs less than thin products. The sum is recomputed in the backward pass, so that only x is stored. On the CPU in float32.
/// </summary>
internal sealed unsafe class FactoredProduct : GraphNode<FactoredProduct>
{
    private const long Small = 1 << 16;   // maximum number of elements of the matrix, so that it fits into the cache

    private sealed record Job(int Inputs, int Outputs, int Rank, float Scale, bool InputRequiresGrad, bool HasBias);

    /// <summary>True if the kernel supports such a product.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c>, with any strides.</param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    public static bool Supports(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b)
        => TensorMemory.RequiresGrad(input, a, b) && !weight.requires_grad && bias?.requires_grad != true && weight.numel() <= Small
           && weight.size(0) >= SmallProduct.MinColumns && weight.size(1) >= SmallProduct.MinColumns && TensorMemory.Supports(input, weight, bias ?? weight, a, b);

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(Tensor input, Tensor weight, Tensor? bias, Tensor a, Tensor b, double scale)
    {
        using var scope = NewDisposeScope();
        var job = new Job((int)weight.size(1), (int)weight.size(0), (int)a.size(0), (float)scale, input.requires_grad, bias is not null);
        var w = weight.contiguous();
        return Record(input.contiguous(), w, bias?.contiguous() ?? w, a.contiguous(), b.contiguous(), job).MoveToOuterDisposeScope();
    }

    protected override Tensor Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (x, w, bias, a, b, job) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3], (Tensor)arguments[4], (Job)arguments[5]);
        context.save_data(nameof(Job), job);
        context.save_for_backward([x, w, a, b]);
        var shape = x.shape;
        shape[^1] = job.Outputs;
        var output = empty(shape, ScalarType.Float32);
        var rows = (int)(x.numel() / job.Inputs);
        using var sum = new Scratch(job.Inputs * job.Outputs);
        using var turned = new Scratch(job.Inputs * job.Outputs);
        fixed (float* xs = x.Floats(), ws = w.Floats(), bs = bias.Floats(), af = a.Floats(), bf = b.Floats(), ys = output.Floats())
        {
            AddUp(ws, af, bf, job, sum.Memory);
            Transpose(sum.Memory, job.Outputs, job.Inputs, turned.Memory);
            var (xp, yp, wp, bp) = ((nint)xs, (nint)ys, (nint)turned.Memory, job.HasBias ? (nint)bs : 0);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var to = (float*)yp + (nint)start * job.Outputs;
                SmallProduct.Run((float*)xp + (nint)start * job.Inputs, job.Inputs, 1, (float*)wp, to, count, job.Inputs, job.Outputs);
                if (bp != 0) AddRow(to, (float*)bp, count, job.Outputs);
            });
        }
        return output;
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor gradient)
    {
        var saved = context.get_saved_variables();
        var (x, w, a, b) = (saved[0], saved[1], saved[2], saved[3]);
        var job = (Job)context.get_data(nameof(Job));
        var xGradient = job.InputRequiresGrad ? empty_like(x) : null;
        var (aGradient, bGradient) = (empty_like(a), empty_like(b));
        var rows = (int)(x.numel() / job.Inputs);
        var size = job.Inputs * job.Outputs;
        using var sum = new Scratch(size);
        using var slopes = new Scratch(size * get_num_threads());   // dL/dW of each thread's rows
        fixed (float* xs = x.Floats(), ws = w.Floats(), af = a.Floats(), bf = b.Floats(), gs = gradient.Floats(), ga = aGradient.Floats(), gb = bGradient.Floats(),
               gx = xGradient is null ? [] : xGradient.Floats())
        {
            if (job.InputRequiresGrad) AddUp(ws, af, bf, job, sum.Memory);
            var (xp, gp, gxp, wp, sp) = ((nint)xs, (nint)gs, (nint)gx, (nint)sum.Memory, (nint)slopes.Memory);
            var shares = TensorMemory.InShares(rows, (share, start, count) =>
            {
                float* from = (float*)xp + (nint)start * job.Inputs, g = (float*)gp + (nint)start * job.Outputs;
                if (job.InputRequiresGrad) SmallProduct.Run(g, job.Outputs, 1, (float*)wp, (float*)gxp + (nint)start * job.Inputs, count, job.Outputs, job.Inputs);
                SmallProduct.Run(g, 1, job.Outputs, from, (float*)sp + (nint)share * size, job.Outputs, count, job.Inputs);
            });
            for (var share = 1; share < shares; share++) AddRow(slopes.Memory, slopes.Memory + (nint)share * size, 1, size);
            // dL/dA = s·Bᵀ·dL/dW and dL/dB = s·dL/dW·Aᵀ.
            SmallProduct.Run(bf, 1, job.Rank, slopes.Memory, ga, job.Rank, job.Outputs, job.Inputs);
            Scale(ga, job.Rank * job.Inputs, job.Scale);
            for (var row = 0; row < job.Outputs; row++)
                for (var r = 0; r < job.Rank; r++) gb[row * job.Rank + r] = job.Scale * Dot(slopes.Memory + (nint)row * job.Inputs, af + (nint)r * job.Inputs, job.Inputs);
        }
        return [xGradient, null, null, aGradient, bGradient, null];
    }

    // W + s·B·A, row by row.
    [MethodImpl(JitOptions.Loop)]
    private static void AddUp(float* w, float* a, float* b, Job job, float* to)
    {
        var inputs = job.Inputs;
        for (var row = 0; row < job.Outputs; row++, w += inputs, to += inputs, b += job.Rank)
        {
            var d = 0;
            for (; d + 8 <= inputs; d += 8)
            {
                var sum = Vector256.Load(w + d);
                for (var r = 0; r < job.Rank; r++) sum = Vector256.FusedMultiplyAdd(Vector256.Create(b[r] * job.Scale), Vector256.Load(a + (nint)r * inputs + d), sum);
                sum.Store(to + d);
            }
            for (; d < inputs; d++)
            {
                var sum = w[d];
                for (var r = 0; r < job.Rank; r++) sum = MathF.FusedMultiplyAdd(b[r] * job.Scale, a[(nint)r * inputs + d], sum);
                to[d] = sum;
            }
        }
    }

    // Transposes in blocks of eight by eight; the last blocks overlap the preceding ones.
    private static void Transpose(float* from, int rows, int columns, float* to)
    {
        for (var c = 0; c < columns; c += 8)
        {
            var column = Math.Min(c, columns - 8);
            for (var r = 0; r < rows; r += 8)
            {
                var row = Math.Min(r, rows - 8);
                TileProducts.TransposeBlock(from + (nint)row * columns + column, columns, to + (nint)column * rows + row, rows);
            }
        }
    }

    private static void AddRow(float* to, float* row, int rows, int size)
    {
        for (var r = 0; r < rows; r++, to += size)
        {
            var d = 0;
            for (; d + 8 <= size; d += 8) (Vector256.Load(to + d) + Vector256.Load(row + d)).Store(to + d);
            for (; d < size; d++) to[d] += row[d];
        }
    }

    private static void Scale(float* values, int count, float factor)
    {
        for (var i = 0; i < count; i++) values[i] *= factor;
    }

    [MethodImpl(JitOptions.Loop)]
    private static float Dot(float* left, float* right, int size)
    {
        var sums = Vector256<float>.Zero;
        var d = 0;
        for (; d + 8 <= size; d += 8) sums = Vector256.FusedMultiplyAdd(Vector256.Load(left + d), Vector256.Load(right + d), sums);
        var sum = Vector256.Sum(sums);
        for (; d < size; d++) sum += left[d] * right[d];
        return sum;
    }
}
