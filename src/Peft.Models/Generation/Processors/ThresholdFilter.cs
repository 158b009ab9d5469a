using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Excludes unlikely tokens from sampling, but always keeps the most likely ones.</summary>
/// <param name="unlikely">Computes from the scores a mask of the tokens to exclude, <c>[rows, vocabulary]</c>.</param>
/// <param name="keep">Number of most likely tokens that are always kept.</param>
internal sealed class ThresholdFilter(Func<Tensor, Tensor> unlikely, int keep) : ILogitsProcessor
{
    /// <summary>Keeps the k most likely tokens.</summary>
    public static ThresholdFilter TopK(int count, int keep) => new(scores => scores.lt(Best(scores, Math.Max(count, keep))), 0);

    /// <summary>Keeps tokens with at least this fraction of the highest probability.</summary>
    public static ThresholdFilter MinP(double fraction, int keep) => new(scores =>
    {
        var probabilities = nn.functional.softmax(scores, -1);
        return probabilities.lt(probabilities.amax([-1], true).mul(Constant(fraction)));
    }, keep);

    /// <summary>Keeps tokens with at least this probability.</summary>
    public static ThresholdFilter Epsilon(double bound, int keep) => new(scores => nn.functional.softmax(scores, -1).lt(Constant(bound)), keep);

    /// <summary>Keeps tokens with a probability of at least min(η, √η·e^−entropy).</summary>
    public static ThresholdFilter Eta(double eta, int keep) => new(scores =>
    {
        var bound = Entropy(scores).neg().exp().mul(Constant(Math.Sqrt(eta))).clamp(max: Constant(eta));
        return nn.functional.softmax(scores, -1).lt(bound);
    }, keep);

    /// <summary>The entropy of each row in nats, <c>[rows, 1]</c>. Excluded tokens contribute 0.</summary>
    public static Tensor Entropy(Tensor scores)
    {
        var logs = nn.functional.log_softmax(scores, -1);
        return logs.exp().mul(logs).nan_to_num(0).sum(-1, true).neg();
    }

    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var excluded = unlikely(scores);
        if (keep > 0) excluded = excluded.logical_and(scores.lt(Best(scores, keep)));
        return scores.masked_fill(excluded, Constant(float.NegativeInfinity));
    }

    // The score of the token of that rank, [rows, 1].
    private static Tensor Best(Tensor scores, int rank)
    {
        var (values, _) = scores.topk((int)Math.Min(rank, scores.size(-1)), -1);
        return values.narrow(-1, -1, 1);
    }
}
