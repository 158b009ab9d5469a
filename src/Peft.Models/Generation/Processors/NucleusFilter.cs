using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Keeps tokens in a given order until their probabilities sum to a mass.</summary>
internal sealed class NucleusFilter : ILogitsProcessor
{
    private readonly Func<Tensor, Tensor> distance;
    private readonly Func<Tensor, Tensor> beyond;
    private readonly int keep;

    private NucleusFilter(Func<Tensor, Tensor> distance, Func<Tensor, Tensor> beyond, int keep) => (this.distance, this.beyond, this.keep) = (distance, beyond, keep);

    /// <summary>Most likely tokens first (Holtzman et al. 2020, arXiv:1904.09751). Excludes the least likely tokens whose probabilities sum to 1 − p or less.</summary>
    public static NucleusFilter TopP(double p, int keep) => new(
        scores => scores.neg(),
        probabilities => probabilities.flip(-1).cumsum(-1).flip(-1).le(Constant(1 - p)), keep);

    /// <summary>Tokens whose information content is closest to the entropy first (Meister et al. 2022, arXiv:2202.00666). Excludes the tokens that follow once the sum has reached the mass.</summary>
    public static NucleusFilter Typical(double mass, int keep) => new(
        scores => nn.functional.log_softmax(scores, -1).neg().sub(ThresholdFilter.Entropy(scores)).abs(),
        probabilities =>
        {
            var before = probabilities.cumsum(-1).sub(probabilities);
            return before.ge(Constant(mass));
        },
        keep);

    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var (_, order) = distance(scores).sort(-1, false);
        var excluded = beyond(nn.functional.softmax(scores.gather(-1, order), -1));
        excluded.narrow(-1, 0, Math.Min(keep, excluded.size(-1))).fill_(Constant(false));
        return scores.masked_fill(excluded.scatter(1, order, excluded), Constant(float.NegativeInfinity));
    }
}
