using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Computes values from the logits of hidden states <c>[rows, hidden]</c> and a head <c>[vocabulary, hidden]</c>: without logits if the measure can (<see cref="RowMeasure.WithoutLogits"/>), else in chunks of rows, so that only the logits of one chunk exist at a time. With a frozen head, the forward pass also computes
/// the gradient of each value. With a trained head, the derivatives with respect to the logits are kept, or the backward pass computes the logits again for them. Arguments: rows, the head's parameter or else its storage, <see cref="Job"/>. Result: <c>[values, rows]</c>.
/// </summary>
internal sealed class ChunkedHead : GraphNode<ChunkedHead>
{
    /// <param name="Measure">Computes the values.</param>
    /// <param name="SoftCap">Soft cap of the logits; 0 for none.</param>
    /// <param name="Chunk">Rows per chunk.</param>
    /// <param name="Head">The head's weight.</param>
    /// <param name="KeepsSlopes">True to keep the derivatives with respect to the logits, for a trained head.</param>
    public sealed record Job(RowMeasure Measure, double SoftCap, long Chunk, WeightStorage Head, bool KeepsSlopes = false)
    {
        /// <summary>True if the gradient of the head is needed.</summary>
        public bool Trains { get; } = is_grad_enabled() && Head.Parameter is { requires_grad: true };

        public IEnumerable<(long Start, long Count)> ChunksOf(Tensor rows)
        {
            var count = rows.size(0);
            var chunks = (count + Chunk - 1) / Chunk;   // of nearly equal lengths
            for (long i = 0; i < chunks; i++) yield return (i * count / chunks, (i + 1) * count / chunks - i * count / chunks);
        }

        /// <summary>The logits, and the derivative of the soft cap.</summary>
        public (Tensor Logits, Tensor? Bend) Logits(Tensor rows)
        {
            using var _ = no_grad();
            var logits = Head.Multiply(rows).to_type(ScalarType.Float32);
            if (SoftCap == 0) return (logits, null);
            var bent = logits.div_(Constant(SoftCap)).tanh_();
            return (bent.mul(Constant(SoftCap)), bent.pow_(Constant(2)).neg_().add_(Constant(1), One));
        }
    }

    private const string Saved = "job";

    public static Tensor Run(Tensor rows, Job job) => Record(rows, (object?)job.Head.Parameter ?? job.Head, job)[0];

    protected override Tensor[] Forward(autograd.AutogradContext context, object[] arguments)
    {
        using var scope = NewDisposeScope();
        var (rows, job) = ((Tensor)arguments[0], (Job)arguments[2]);
        context.save_data(Saved, job);
        var result = empty([job.Measure.Count, rows.size(0)], ScalarType.Float32, rows.device);
        var gradients = rows.requires_grad && !job.Trains ? Enumerable.Range(0, job.Measure.Count).Select(_ => empty(rows.shape, rows.dtype, rows.device)).ToList() : null;
        var kept = new List<Tensor>();   // for each chunk, the derivatives of each value
        var known = !job.KeepsSlopes && job.SoftCap == 0 && job.Head.Parameter is { } head ? job.Measure.WithoutLogits(rows, head, gradients?[0]) : null;
        if (known is not null) result.copy_(known);
        else foreach (var (start, count) in job.ChunksOf(rows))
        {
            using var inner = NewDisposeScope();
            var (logits, bend) = job.Logits(rows.narrow(0, start, count));
            if (gradients is null && !job.KeepsSlopes)
            {
                result.narrow(1, start, count).copy_(job.Measure.Values(logits, start));
                continue;
            }
            var (values, slopes) = job.Measure.Differentiate(logits, start);
            result.narrow(1, start, count).copy_(values);
            if (job.Trains) kept.AddRange(slopes.Select(slope => Bent(slope, bend).MoveToOuterDisposeScope()));
            else if (gradients is not null) foreach (var (gradient, slope) in gradients.Zip(slopes)) gradient.narrow(0, start, count).copy_(OfRows(Bent(slope, bend), job.Head));
        }
        foreach (var slope in kept) slope.MoveToOuterDisposeScope();
        // TorchSharp saves the tensors after this method returns, so they must outlive the scope.
        context.save_for_backward(gradients is not null ? [.. gradients.Select(gradient => gradient.MoveToOuterDisposeScope())] : job.Trains ? [rows, job.Head.Parameter!, .. kept] : []);
        return [result.MoveToOuterDisposeScope()];
    }

    protected override Tensor?[] Backward(autograd.AutogradContext context, Tensor[] gradients)
    {
        var gradient = gradients[0];
        var (job, saved) = ((Job)context.get_data(Saved), context.get_saved_variables());
        if (!job.Trains)
            return [saved.Select((slope, k) => slope.mul(gradient[k].unsqueeze(1).to_type(slope.dtype))).Aggregate((a, b) => a.add(b, One)), null, null];
        var (rows, head, next) = (saved[0].contiguous(), saved[1], 2);
        var (ofRows, ofHead) = (empty_like(rows), TrainedGradient.Of(head));
        foreach (var (start, count) in job.ChunksOf(rows))
        {
            using var inner = NewDisposeScope();
            var some = rows.narrow(0, start, count);
            Tensor? sum = null;
            foreach (var (each, factors) in Slopes(some, start).Zip(Enumerable.Range(0, job.Measure.Count), (each, k) => (each, gradient[k].narrow(0, start, count).unsqueeze(1))))
            {
                var scaled = job.KeepsSlopes && !SavedTensors.RunOnce ? each.mul(factors) : each.mul_(factors);
                sum = sum is null ? scaled : sum.add_(scaled, One);
            }
            var slope = sum!.to_type(head.dtype);
            ofRows.narrow(0, start, count).copy_(OfRows(slope, job.Head));
            ofHead.AddProduct(slope, some);
        }
        return [ofRows, ofHead.Result, null];

        IReadOnlyList<Tensor> Slopes(Tensor some, long start)
        {
            if (job.KeepsSlopes) return [.. Enumerable.Range(0, job.Measure.Count).Select(_ => saved[next++])];
            var (logits, bend) = job.Logits(some);
            return [.. job.Measure.Differentiate(logits, start).Slopes.Select(slope => Bent(slope, bend))];
        }
    }

    private static Tensor OfRows(Tensor slope, WeightStorage head)
    {
        using var _ = no_grad();
        return head.MultiplyTransposed(slope.to_type(head.ComputeType));
    }

    private static Tensor Bent(Tensor slope, Tensor? bend) => bend is null ? slope : slope.mul_(bend);
}
