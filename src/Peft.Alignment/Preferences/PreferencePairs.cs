using Peft.Models;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft;

/// <summary>Pairs of completions as the losses of <see cref="DpoObjective"/> see them: log-probabilities under the policy and the reference, each <c>[pairs]</c>.</summary>
internal sealed class PreferencePairs
{
    private readonly Batch batch;
    private readonly TokenPredictions predictions;
    private readonly Tensor chosenReference, rejectedReference, chosenLength, rejectedLength;

    /// <param name="batch">The batch.</param>
    /// <param name="predictions">The policy's predictions of chosen and rejected tokens.</param>
    /// <param name="reference">Sums of log-probabilities under the reference, <c>[2 · pairs]</c>.</param>
    /// <param name="options">Settings.</param>
    public PreferencePairs(Batch batch, TokenPredictions predictions, Tensor reference, DpoOptions options)
    {
        this.batch = batch;
        this.predictions = predictions;
        (ChosenSums, RejectedSums) = PairedBatch.Halves(Sums(predictions.LogProbabilities, predictions.Mask, options.LengthDesensitization));
        (chosenReference, rejectedReference) = PairedBatch.Halves(reference);
        (chosenLength, rejectedLength) = PairedBatch.Halves(predictions.Mask.sum(dim: 1));
        ChosenRatios = ChosenSums.sub(chosenReference);
        RejectedRatios = RejectedSums.sub(rejectedReference);
        (ChosenScores, RejectedScores) = (Score(ChosenRatios, options), Score(RejectedRatios, options));
    }

    /// <summary>Sums of the policy's log-probabilities.</summary>
    public Tensor ChosenSums { get; }

    /// <inheritdoc cref="ChosenSums"/>
    public Tensor RejectedSums { get; }

    /// <summary>Log-ratios of policy and reference.</summary>
    public Tensor ChosenRatios { get; }

    /// <inheritdoc cref="ChosenRatios"/>
    public Tensor RejectedRatios { get; }

    /// <summary>Scores: the log-ratios as the divergence changes them.</summary>
    public Tensor ChosenScores { get; }

    /// <inheritdoc cref="ChosenScores"/>
    public Tensor RejectedScores { get; }

    /// <summary>Sums of the reference's log-probabilities.</summary>
    public Tensor ChosenReference => chosenReference;

    /// <inheritdoc cref="ChosenReference"/>
    public Tensor RejectedReference => rejectedReference;

    /// <summary>Sums over tokens, <c>[2 · pairs]</c>.</summary>
    /// <param name="logProbabilities"><c>[2 · pairs, tokens]</c>, 0 outside of completions.</param>
    /// <param name="mask">1 for tokens of completions.</param>
    /// <param name="longer">Weight of the tokens beyond the length of the pair's shorter completion; null for 1.</param>
    public static Tensor Sums(Tensor logProbabilities, Tensor mask, double? longer)
    {
        if (longer is not { } alpha) return logProbabilities.sum(dim: 1);
        var lengths = mask.sum(dim: 1);
        var (chosen, rejected) = PairedBatch.Halves(lengths);
        var shorter = chosen.minimum(rejected);
        var common = mask.cumsum(1).le(cat([shorter, shorter]).unsqueeze(1));
        return logProbabilities.where(common, logProbabilities.mul(Constant(alpha))).sum(dim: 1);
    }

    /// <summary>A loss for each pair, <c>[pairs]</c>, or a scalar.</summary>
    public Tensor Of(DpoLoss loss, DpoOptions options)
    {
        var (beta, smoothing) = (options.Beta, options.LabelSmoothing);
        var z = ChosenScores.sub(RejectedScores).mul(Constant(beta));
        switch (loss)
        {
            case DpoLoss.Sigmoid: return Minus(LogSigmoid(z));
            case DpoLoss.Hinge: return functional.relu(OneMinus(z));
            case DpoLoss.Ipo: return ChosenScores.div(chosenLength).sub(RejectedScores.div(rejectedLength)).sub(Constant(1 / (2 * beta))).square();
            case DpoLoss.ExoPair:
                var q = z.sigmoid();
                return q.mul(LogSigmoid(z).sub(Constant(Math.Log(1 - smoothing)))).add(OneMinus(q).mul(LogSigmoid(z.neg()).sub(Constant(Math.Log(smoothing)))), One);
            case DpoLoss.NcaPair:
                var (c, r) = (ChosenScores.mul(Constant(beta)), RejectedScores.mul(Constant(beta)));
                return Minus(LogSigmoid(c)).sub(LogSigmoid(c.neg()).mul(Constant(0.5))).sub(LogSigmoid(r.neg()).mul(Constant(0.5)));
            case DpoLoss.Robust:
                return LogSigmoid(z.neg()).mul(Constant(smoothing)).sub(LogSigmoid(z).mul(Constant(1 - smoothing))).div(Constant(1 - 2 * smoothing));
            case DpoLoss.BcoPair: return Minus(LogSigmoid(ChosenScores.mul(Constant(beta)))).sub(LogSigmoid(RejectedScores.mul(Constant(-beta))));
            case DpoLoss.SppoHard: return ChosenScores.sub(Constant(0.5 / beta)).square().add(RejectedScores.add(Constant(0.5 / beta), One).square(), One);
            case DpoLoss.Aot:
                return Transport(Sorted(ChosenSums.sub(RejectedSums)).sub(Sorted(chosenReference.sub(rejectedReference))), beta, smoothing);
            case DpoLoss.AotUnpaired: return Transport(Sorted(ChosenRatios).sub(Sorted(RejectedRatios)), beta, smoothing);
            case DpoLoss.ApoZero: return OneMinus(ChosenRatios.mul(Constant(beta)).sigmoid()).add(RejectedRatios.mul(Constant(beta)).sigmoid(), One);
            case DpoLoss.ApoDown: return ChosenRatios.mul(Constant(beta)).sigmoid().add(OneMinus(z.sigmoid()), One);
            case DpoLoss.DiscoPop:
                var share = z.div(Constant(options.DiscoPopTemperature)).sigmoid();
                return OneMinus(share).mul(LogSigmoid(z).neg()).add(share.mul(z.neg().exp()), One);
            case DpoLoss.Sft: return PairedBatch.MeanOverTokens(batch, PairedBatch.Halves(predictions.LogProbabilities).Chosen, PairedBatch.Halves(predictions.Mask).Chosen).neg();
            case DpoLoss.SigmoidNorm: return Minus(LogSigmoid(ChosenScores.div(chosenLength).sub(RejectedScores.div(rejectedLength)).mul(Constant(beta))));
            default: throw new ArgumentOutOfRangeException(nameof(loss), loss, "There is no such loss.");
        }
    }

    private static Tensor Score(Tensor ratio, DpoOptions options) => options.Divergence switch
    {
        DpoDivergence.ForwardKl => ratio.neg().exp().neg(),
        DpoDivergence.JensenShannon => LogSigmoid(ratio),
        // The exponent is clamped as in TRL, so that the power stays finite.
        DpoDivergence.Alpha when options.DivergenceAlpha != 1 => ratio.mul(Constant(options.DivergenceAlpha - 1)).clamp_max(Constant(80)).exp().div(Constant(options.DivergenceAlpha - 1)),
        _ => ratio,
    };

    private static Tensor Transport(Tensor delta, double beta, double smoothing)
        => LogSigmoid(delta.mul(Constant(beta))).mul(Constant(smoothing - 1)).sub(LogSigmoid(delta.mul(Constant(-beta))).mul(Constant(smoothing)));

    private static Tensor Sorted(Tensor values) => values.sort(0).Values;

    private static Tensor LogSigmoid(Tensor x) => functional.logsigmoid(x);

    private static Tensor Minus(Tensor x) => x.neg();

    private static Tensor OneMinus(Tensor x) => x.neg().add(Constant(1), One);
}
