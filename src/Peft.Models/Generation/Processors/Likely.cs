using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Excludes tokens that are too unlikely to be drawn, but never the few likeliest.</summary>
/// <param name="unlikely">True for what goes, <c>[rows, vocabulary]</c>, from the scores.</param>
/// <param name="keep">How many likeliest tokens always stay.</param>
internal sealed class Likely(Func<Tensor, Tensor> unlikely, int keep) : ILogitsProcessor
{
    /// <summary>The k likeliest stay.</summary>
    public static Likely TopK(int count, int keep) => new(scores => scores.lt(Best(scores, Math.Max(count, keep))), 0);

    /// <summary>Those that are at least so many times as probable as the likeliest stay.</summary>
    public static Likely MinP(double share, int keep) => new(scores =>
    {
        var probabilities = nn.functional.softmax(scores, -1);
        return probabilities.lt(probabilities.amax([-1], true).mul(Kept(share)));
    }, keep);

    /// <summary>Those at least so probable stay.</summary>
    public static Likely Epsilon(double bound, int keep) => new(scores => nn.functional.softmax(scores, -1).lt(Kept(bound)), keep);

    /// <summary>Those at least as probable as min(η, √η·e^−entropy) stay.</summary>
    public static Likely Eta(double eta, int keep) => new(scores =>
    {
        var bound = Entropy(scores).neg().exp().mul(Kept(Math.Sqrt(eta))).clamp(max: Kept(eta));
        return nn.functional.softmax(scores, -1).lt(bound);
    }, keep);

    /// <summary>The entropy of each row in nats, <c>[rows, 1]</c>; excluded tokens count nothing.</summary>
    public static Tensor Entropy(Tensor scores)
    {
        var logs = nn.functional.log_softmax(scores, -1);
        return logs.exp().mul(logs).nan_to_num(0).sum(-1, true).neg();
    }

    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var gone = unlikely(scores);
        if (keep > 0) gone = gone.logical_and(scores.lt(Best(scores, keep)));
        return scores.masked_fill(gone, Kept(float.NegativeInfinity));
    }

    // The score of the token with that rank, [rows, 1].
    private static Tensor Best(Tensor scores, int rank)
    {
        var (values, _) = scores.topk((int)Math.Min(rank, scores.shape[^1]), -1);
        return values.narrow(-1, -1, 1);
    }
}
