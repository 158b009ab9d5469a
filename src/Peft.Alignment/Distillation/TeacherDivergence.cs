using Peft.Models;
using static TorchSharp.torch;

namespace Peft;

/// <summary>The divergence of the student's distribution from the teacher's at each token. The teacher's logits, too, exist for one chunk of tokens at a time.</summary>
/// <param name="student">The student, whose reference is the teacher.</param>
/// <param name="states">The teacher's states that predict the tokens, <c>[tokens, hidden]</c>.</param>
/// <param name="beta">β of the divergence.</param>
internal sealed class TeacherDivergence(Policy student, Tensor states, double beta) : RowMeasure
{
    public override Tensor Values(Tensor logits, long start)
    {
        Tensor teacher;
        using (no_grad()) teacher = student.ByReference(model => model.LogitsOf(states.narrow(0, start, logits.size(0))));
        return GeneralizedJensenShannon.Terms(logits, teacher, beta).sum(dim: -1).unsqueeze(0);
    }
}
