using static TorchSharp.torch;

namespace Peft;

/// <summary>Two completions of each prompt under policy and reference, and which was chosen. Tensors are <c>[n]</c>.</summary>
internal sealed class PairedRatios
{
    private readonly Tensor firstIsBetter;

    /// <param name="policy">The policy's log-probabilities <c>[2n, width]</c>.</param>
    /// <param name="reference">The reference's.</param>
    /// <param name="firstIsBetter">True where the first completion was chosen.</param>
    public PairedRatios(Tensor policy, Tensor reference, Tensor firstIsBetter)
    {
        this.firstIsBetter = firstIsBetter;
        (Policy, Reference) = (policy.sum(dim: 1), reference.sum(dim: 1));
        (ChosenPolicy, RejectedPolicy) = Ordered(Policy);
        (ChosenReference, RejectedReference) = Ordered(Reference);
    }

    /// <summary>Sums of log-probabilities <c>[2n]</c>.</summary>
    public Tensor Policy { get; }

    /// <inheritdoc cref="Policy"/>
    public Tensor Reference { get; }

    public Tensor ChosenPolicy { get; }

    public Tensor RejectedPolicy { get; }

    public Tensor ChosenReference { get; }

    public Tensor RejectedReference { get; }

    public Tensor ChosenRatios => ChosenPolicy.sub(ChosenReference);

    public Tensor RejectedRatios => RejectedPolicy.sub(RejectedReference);

    private (Tensor Chosen, Tensor Rejected) Ordered(Tensor both)
    {
        var (first, second) = PairedBatch.Halves(both);
        return (first.where(firstIsBetter, second), second.where(firstIsBetter, first));
    }

    /// <summary>Adds the metrics that online DPO and XPO share.</summary>
    public void Report(TrainingMetrics metrics, double beta)
    {
        using var _ = no_grad();
        var pairs = (double)firstIsBetter.size(0);
        var (chosen, rejected) = (ChosenRatios.detach().mul(Constant(beta)), RejectedRatios.detach().mul(Constant(beta)));
        var margins = chosen.sub(rejected);
        metrics.Add("rewards/chosen", chosen.mean(), pairs);
        metrics.Add("rewards/rejected", rejected.mean(), pairs);
        metrics.Add("rewards/margins", margins.mean(), pairs);
        metrics.Add("rewards/accuracies", margins.gt(Constant(0)).to_type(ScalarType.Float32).mean(), pairs);
        metrics.Add("objective/kl", Policy.detach().sub(Reference).mean(), pairs);
        metrics.Add("objective/entropy", Policy.detach().neg().mean(), pairs);
        metrics.Add("beta", beta);
    }
}
