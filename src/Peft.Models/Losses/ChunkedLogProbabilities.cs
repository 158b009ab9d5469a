using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Log-probabilities of target tokens from hidden states <c>[rows, hidden]</c> through a frozen head <c>[vocabulary, hidden]</c>, in chunks of rows: only the logits of one
/// chunk exist at a time. The gradient of each log-probability is computed along with it. Arguments: rows, head, <see cref="Job"/>.
/// </summary>
internal sealed class ChunkedLogProbabilities : autograd.SingleTensorFunction<ChunkedLogProbabilities>
{
    /// <param name="Targets">Ids <c>[rows]</c>.</param>
    /// <param name="SoftCap">Soft cap of the logits; 0 for none.</param>
    /// <param name="Temperature">Divisor of the logits.</param>
    /// <param name="Chunk">Rows per chunk.</param>
    /// <param name="Statistics">Receives the statistics of each chunk.</param>
    public sealed record Job(Tensor Targets, double SoftCap, double Temperature, long Chunk, StatisticsOfRows Statistics);

    public override string Name => nameof(ChunkedLogProbabilities);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        var (rows, head, job) = ((Tensor)vars[0], (Tensor)vars[1], (Job)vars[2]);
        var total = rows.shape[0];
        var gradient = rows.requires_grad ? empty_like(rows) : null;
        var result = empty(total, ScalarType.Float32, rows.device);
        for (long start = 0; start < total; start += job.Chunk)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(job.Chunk, total - start);
            var logits = nn.functional.linear(rows.narrow(0, start, count), head).to_type(ScalarType.Float32);
            Tensor? bent = null;
            if (job.SoftCap > 0) logits = (bent = logits.div_(Constant(job.SoftCap)).tanh_()).mul(Constant(job.SoftCap));
            if (job.Temperature != 1) logits = logits.div_(Constant(job.Temperature));
            var target = job.Targets.narrow(0, start, count).unsqueeze(1);
            var logProbabilities = nn.functional.log_softmax(logits, -1);
            result.narrow(0, start, count).copy_(logProbabilities.gather(1, target).squeeze(1));
            job.Statistics.Add(logits, logProbabilities, target);
            if (gradient is null) continue;
            // d/dz of log softmax(z)[target] is onehot(target) − softmax(z).
            var slope = logProbabilities.exp_().neg_();
            slope.scatter_add_(1, target, ones(count, 1, ScalarType.Float32, rows.device));
            if (job.Temperature != 1) slope.div_(Constant(job.Temperature));
            if (bent is not null) slope.mul_(bent.pow_(Constant(2)).neg_().add_(Constant(1), One));
            gradient.narrow(0, start, count).copy_(slope.to_type(head.dtype).mm(head));
        }
        // TorchSharp saves the tensors after this method returns, so the gradient must outlive the scope.
        if (gradient is not null) ctx.save_for_backward([gradient.MoveToOuterDisposeScope()]);
        return result.MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        var gradient = ctx.get_saved_variables()[0];
        return BackwardResult.Give(gradient.mul(grad_output.unsqueeze(1).to_type(gradient.dtype)), null, null);
    }
}
