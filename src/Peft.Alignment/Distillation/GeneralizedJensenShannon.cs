using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The generalized Jensen–Shannon divergence of student and teacher (Agarwal et al. 2024, arXiv:2306.13649): β·KL(T‖M) + (1−β)·KL(S‖M) with M = βT + (1−β)S; KL(T‖S) with β 0, KL(S‖T) with β 1.
/// </summary>
internal static class GeneralizedJensenShannon
{
    /// <summary>The terms of the divergence, whose sum over the vocabulary it is: of the shape of the logits.</summary>
    /// <param name="student">Logits <c>[…, vocabulary]</c>.</param>
    /// <param name="teacher">Logits <c>[…, vocabulary]</c>.</param>
    /// <param name="beta">β in [0, 1].</param>
    /// <param name="temperature">Divisor of the logits.</param>
    public static Tensor Terms(Tensor student, Tensor teacher, double beta, double temperature = 1)
    {
        var (s, t) = (LogSoftmax(student, temperature), LogSoftmax(teacher, temperature));
        if (beta == 0) return Kl(t, s);
        if (beta == 1) return Kl(s, t);
        var mixture = s.add(Constant(Math.Log(1 - beta)), One).logaddexp(t.add(Constant(Math.Log(beta)), One));
        return Kl(t, mixture).mul(Constant(beta)).add(Kl(s, mixture).mul(Constant(1 - beta)), One);
    }

    private static Tensor LogSoftmax(Tensor logits, double temperature) => nn.functional.log_softmax(temperature == 1 ? logits : logits.div(Constant(temperature)), -1);

    // p·(log p − log q).
    private static Tensor Kl(Tensor p, Tensor q) => p.exp().mul(p.sub(q));
}
