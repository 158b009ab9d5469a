using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Peft;

/// <summary>Losses of differences δ between scores of chosen and rejected texts, <c>[pairs]</c> each.</summary>
internal static class ContrastiveLoss
{
    /// <summary>−(1 − ε) log σ(βδ) − ε log σ(−βδ).</summary>
    public static Tensor Sigmoid(Tensor delta, double beta, double smoothing)
    {
        var loss = functional.logsigmoid(delta.mul(Constant(beta))).mul(Constant(smoothing - 1));
        return smoothing == 0 ? loss : loss.sub(functional.logsigmoid(delta.mul(Constant(-beta))).mul(Constant(smoothing)));
    }

    /// <summary>max(0, 1 − βδ).</summary>
    public static Tensor Hinge(Tensor delta, double beta) => functional.relu(delta.mul(Constant(-beta)).add(Constant(1), One));

    /// <summary>(δ − 1/(2β))².</summary>
    public static Tensor Ipo(Tensor delta, double beta) => delta.sub(Constant(1 / (2 * beta))).square();
}
