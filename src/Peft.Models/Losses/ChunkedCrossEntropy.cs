using Peft.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>
/// Mean cross-entropy of hidden states [rows, hidden] through a frozen head [vocabulary, hidden], in chunks of rows: only the logits of one chunk exist
/// at a time, and the gradient of the rows is computed along with them. Arguments: rows, head, targets [rows], soft cap (0 for none), rows per chunk.
/// </summary>
internal sealed class ChunkedCrossEntropy : autograd.SingleTensorFunction<ChunkedCrossEntropy>
{
    public override string Name => nameof(ChunkedCrossEntropy);

    public override Tensor forward(autograd.AutogradContext ctx, params object[] vars)
    {
        using var scope = NewDisposeScope();
        var (rows, head, targets) = ((Tensor)vars[0], (Tensor)vars[1], (Tensor)vars[2]);
        var (cap, chunk) = ((double)vars[3], (long)vars[4]);
        var total = rows.shape[0];
        var needsGradient = rows.requires_grad;
        var gradient = needsGradient ? empty_like(rows) : null;
        var sum = zeros(1, ScalarType.Float32, rows.device);
        for (long start = 0; start < total; start += chunk)
        {
            using var inner = NewDisposeScope();
            var count = Math.Min(chunk, total - start);
            var logits = nn.functional.linear(rows.narrow(0, start, count), head).to_type(ScalarType.Float32);
            Tensor? bent = null;
            if (cap > 0) logits = (bent = logits.div_(Constant(cap)).tanh_()).mul(Constant(cap));
            var target = targets.narrow(0, start, count).unsqueeze(1);
            var logProbability = nn.functional.log_softmax(logits, -1);
            sum.sub_(logProbability.gather(1, target).sum());
            if (gradient is null) continue;
            // d/dz of −log softmax(z)[target] is softmax(z) − onehot(target), over the number of rows.
            var slope = logProbability.exp_();
            slope.scatter_add_(1, target, full(count, 1, Constant(-1f), ScalarType.Float32, rows.device));
            slope.mul_(Constant(1.0 / total));
            if (bent is not null) slope.mul_(bent.pow_(Constant(2)).neg_().add_(Constant(1), One));
            gradient.narrow(0, start, count).copy_(slope.to_type(head.dtype).mm(head));
        }
        // TorchSharp saves the tensors after this method returns, so the gradient must outlive the scope.
        if (gradient is not null) ctx.save_for_backward([gradient.MoveToOuterDisposeScope()]);
        return sum.div_(Constant(total)).squeeze(0).MoveToOuterDisposeScope();
    }

    public override List<Tensor> backward(autograd.AutogradContext ctx, Tensor grad_output)
    {
        using var scope = NewDisposeScope();
        var gradient = ctx.get_saved_variables()[0];
        return BackwardResult.Give(gradient.mul(grad_output), null, null, null, null);
    }
}
