using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Log-probabilities of target tokens, and optionally the entropies of their distributions.</summary>
/// <param name="targets">Ids <c>[rows]</c>.</param>
/// <param name="temperature">Divisor of the logits.</param>
/// <param name="statistics">Receives the statistics of each chunk; null for none.</param>
/// <param name="entropies">True to compute the entropies as second values.</param>
internal sealed class TargetLogProbabilities(Tensor targets, double temperature = 1, StatisticsOfRows? statistics = null, bool entropies = false) : RowMeasure
{
    public override int Count => entropies ? 2 : 1;

    public override Tensor? WithoutLogits(Tensor rows, Tensor head, Tensor? derivatives)
    {
        if (entropies || !TokenLossKernel.Supports(rows, head, targets)) return null;
        var sums = TokenLossKernel.Run(rows, head, targets, temperature, statistics is { IsEmpty: false }, derivatives);
        statistics?.Add(sums, head.size(0));
        return tensor(Array.ConvertAll(sums, each => (float)each.LogProbability), [1, sums.Length]);
    }

    public override Tensor Values(Tensor logits, long start)
    {
        if (temperature != 1) logits = logits.div(Constant(temperature));
        var (all, target) = (nn.functional.log_softmax(logits, -1), targets.narrow(0, start, logits.size(0)).unsqueeze(1));
        statistics?.Add(logits, all, target);
        var chosen = all.gather(1, target).squeeze(1);
        return entropies ? stack([chosen, Entropies(all)]) : chosen.unsqueeze(0);
    }

    public override (Tensor Values, IReadOnlyList<Tensor> Slopes) Differentiate(Tensor logits, long start)
    {
        if (temperature != 1) logits = logits.div_(Constant(temperature));
        var tokens = targets.narrow(0, start, logits.size(0));
        if (!entropies && statistics is not { IsEmpty: false } && LogSoftmaxKernel.Supports(logits, tokens))
        {
            var values = LogSoftmaxKernel.Differentiate(logits, tokens).unsqueeze(0);
            return (values, [temperature == 1 ? logits : logits.div_(Constant(temperature))]);
        }
        var (all, target) = (nn.functional.log_softmax(logits, -1), tokens.unsqueeze(1));
        statistics?.Add(logits, all, target);
        var chosen = all.gather(1, target).squeeze(1);
        var entropy = entropies ? Entropies(all) : null;
        // d/dz of the entropy H is −p·(log p + H).
        var second = entropy is null ? null : all.exp().mul_(all.add(entropy.unsqueeze(1), One)).neg_();
        // d/dz of log softmax(z)[target] is onehot(target) − softmax(z).
        var first = all.exp_().neg_();
        first.scatter_add_(1, target, ones(target.size(0), 1, ScalarType.Float32, logits.device));
        Tensor[] slopes = second is null ? [first] : [first, second];
        if (temperature != 1) foreach (var slope in slopes) slope.div_(Constant(temperature));
        return (entropy is null ? chosen.unsqueeze(0) : stack([chosen, entropy]), slopes);
    }

    private static Tensor Entropies(Tensor logProbabilities) => logProbabilities.exp().mul(logProbabilities).sum(dim: -1).neg();
}
