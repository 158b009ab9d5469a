using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>
/// x·Wᵀ + b + s·(x·Aᵀ)·Bᵀ for a frozen matrix W and trainable low-rank factors B and A, as one node of the autograd graph. BLAS multiplies by W, the update is added in
/// place, and only x and x·Aᵀ are stored. On the CPU in float32. <see cref="FactoredProduct"/> is for small matrices.
/// </summary>
internal sealed unsafe class LowRankProduct : GraphNode<LowRankProduct>
{
    private const int MaxRank = 64;   // above this, BLAS is as fast

    private sealed record Job(FrozenMatrix Weight, int Inputs, int Outputs, int Rank, float Scale, bool InputRequiresGrad, bool ARequiresGrad, bool BRequiresGrad, bool HasBias)
    {
        // The rank, padded with zeros to whole vectors.
        public int Wide => (Rank + SmallProduct.MinColumns - 1) / SmallProduct.MinColumns * SmallProduct.MinColumns;
    }

    /// <summary>True if the kernel supports such a product.</summary>
    /// <param name="input"><c>[…, in]</c></param>
    /// <param name="weight">W <c>[out, in]</c></param>
    /// <param name="bias">b <c>[out]</c>, or null.</param>
    /// <param name="a">A <c>[rank, in]</c></param>
    /// <param name="b">B <c>[out, rank]</c></param>
    public static bool Supports(Tensor input, FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b)
        => TensorMemory.RequiresGrad(input, a, b) && weight.IsSupported && bias?.requires_grad != true && a.size(0) <= MaxRank
           && weight.Rows % SmallProduct.MinColumns == 0 && weight.Columns % SmallProduct.MinColumns == 0 && TensorMemory.Supports(input, bias ?? a, a, b);

    /// <returns><c>[…, out]</c></returns>
    public static Tensor Run(Tensor input, FrozenMatrix weight, Tensor? bias, Tensor a, Tensor b, double scale)
    {
        using var scope = NewDisposeScope();
        var job = new Job(weight, (int)weight.Columns, (int)weight.Rows, (int)a.size(0), (float)scale, input.requires_grad, a.requires_grad, b.requires_grad, bias is not null);
        return Record(input.contiguous(), weight.Values ?? input, bias ?? input, a.contiguous(), b.contiguous(), job).MoveToOuterDisposeScope();
    }

    protected override Tensor Forward(autograd.AutogradContext context, object[] arguments)
    {
        var (x, w, bias, a, b, job) = ((Tensor)arguments[0], (Tensor)arguments[1], (Tensor)arguments[2], (Tensor)arguments[3], (Tensor)arguments[4], (Job)arguments[5]);
        var output = job.Weight.Multiply(x, job.HasBias ? bias : null);
        var rows = Rows(x, job);
        var thin = empty([rows, job.Wide], ScalarType.Float32);   // x·Aᵀ
        using var turnedA = new Thin(job.Inputs, job.Wide);
        using var turnedB = new Thin(job.Wide, job.Outputs);
        fixed (float* xs = x.Floats(), af = a.Floats(), bf = b.Floats(), ts = thin.Floats(), ys = output.Floats())
        {
            Transpose(af, job.Rank, job.Inputs, turnedA.Memory, job.Wide);
            Transpose(bf, job.Outputs, job.Rank, turnedB.Memory, job.Outputs, job.Scale);
            var (xp, tp, yp, ap, bp) = ((nint)xs, (nint)ts, (nint)ys, (nint)turnedA.Memory, (nint)turnedB.Memory);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var t = (float*)tp + (nint)start * job.Wide;
                SmallProduct.Run((float*)xp + (nint)start * job.Inputs, job.Inputs, 1, (float*)ap, t, count, job.Inputs, job.Wide);
                SmallProduct.Run(t, job.Wide, 1, (float*)bp, job.Outputs, (float*)yp + (nint)start * job.Outputs, job.Outputs, count, job.Rank, job.Outputs, add: true);
            });
        }
        context.save_data(nameof(Job), job);
        context.save_for_backward(job.Weight.Values is null ? [x, a, b, thin] : [x, a, b, thin, w]);
        return output;
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor gradient)
    {
        var saved = context.get_saved_variables();
        var (x, a, b, thin) = (saved[0], saved[1], saved[2], saved[3]);
        var job = (Job)context.get_data(nameof(Job));
        var weight = saved.Count > 4 ? new FrozenMatrix(saved[4]) : job.Weight;
        var rows = Rows(x, job);
        var xGradient = job.InputRequiresGrad ? weight.MultiplyTransposed(gradient) : null;
        var (aGradient, bGradient) = (job.ARequiresGrad ? empty_like(a) : null, job.BRequiresGrad ? empty_like(b) : null);
        using var wideB = new Thin(job.Outputs, job.Wide);
        using var slopes = new Thin(rows, job.Wide);              // dL/d(x·Aᵀ)
        using var ofB = new Thin(job.Outputs, job.Wide);
        fixed (float* xs = x.Floats(), af = a.Floats(), bf = b.Floats(), ts = thin.Floats(), gs = gradient.Floats(),
               gx = xGradient is null ? [] : xGradient.Floats(), ga = aGradient is null ? [] : aGradient.Floats(), gb = bGradient is null ? [] : bGradient.Floats())
        {
            for (var row = 0; row < job.Outputs; row++)
                for (var r = 0; r < job.Rank; r++) wideB.Memory[row * job.Wide + r] = bf[row * job.Rank + r] * job.Scale;
            var (xp, gp, tp, gxp, gap, ap, bp, sp, ob) = ((nint)xs, (nint)gs, (nint)ts, (nint)gx, (nint)ga, (nint)af, (nint)wideB.Memory, (nint)slopes.Memory, (nint)ofB.Memory);
            TensorMemory.InShares(rows, (_, start, count) =>
            {
                var s = (float*)sp + (nint)start * job.Wide;
                SmallProduct.Run((float*)gp + (nint)start * job.Outputs, job.Outputs, 1, (float*)bp, s, count, job.Outputs, job.Wide);
                if (job.InputRequiresGrad) SmallProduct.Run(s, job.Wide, 1, (float*)ap, job.Inputs, (float*)gxp + (nint)start * job.Inputs, job.Inputs, count, job.Rank, job.Inputs, add: true);
            });
            if (job.ARequiresGrad)
                TensorMemory.InShares(job.Inputs / SmallProduct.MinColumns, (_, start, count) =>
                {
                    var first = start * SmallProduct.MinColumns;
                    SmallProduct.Run((float*)sp, 1, job.Wide, (float*)xp + first, job.Inputs, (float*)gap + first, job.Inputs, job.Rank, rows, count * SmallProduct.MinColumns, add: false);
                });
            if (job.BRequiresGrad)
            {
                TensorMemory.InShares(job.Outputs, (_, start, count) => SmallProduct.Run((float*)gp + start, 1, job.Outputs, (float*)tp, (float*)ob + (nint)start * job.Wide, count, rows, job.Wide));
                for (var row = 0; row < job.Outputs; row++)
                    for (var r = 0; r < job.Rank; r++) gb[row * job.Rank + r] = ofB.Memory[row * job.Wide + r] * job.Scale;
            }
        }
        return [xGradient, null, null, aGradient, bGradient, null];
    }

    private static int Rows(Tensor input, Job job) => (int)(input.numel() / job.Inputs);

    // The transpose of a matrix, multiplied by a factor, with a given row stride.
    private static void Transpose(float* from, int rows, int columns, float* to, int distance, float factor = 1)
    {
        for (var row = 0; row < rows; row++)
            for (var column = 0; column < columns; column++) to[(nint)column * distance + row] = from[(nint)row * columns + column] * factor;
    }

    private readonly ref struct Thin
    {
        public readonly float* Memory;

        public Thin(int rows, int columns)
        {
            var size = (nuint)rows * (nuint)columns * sizeof(float);
            Memory = (float*)NativeMemory.AlignedAlloc(size, 64);
            NativeMemory.Clear(Memory, size);
        }

        public void Dispose() => NativeMemory.AlignedFree(Memory);
    }
}
