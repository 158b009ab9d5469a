using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>After a start, the scores of end-of-sequence tokens grow by |s|·(factor^(new tokens − start) − 1).</summary>
internal sealed class DecayingLength(IReadOnlyList<int> ends, int start, double factor) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        if (context.Added <= start) return scores;
        var indices = RowChoice.Indices(ends, scores.device);
        var growth = scores.index_select(1, indices).abs().mul(Constant(Math.Pow(factor, context.Added - start) - 1));
        return scores.index_add(1, indices, growth, Constant(1));
    }
}
