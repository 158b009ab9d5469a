using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Penalizes tokens that have occurred: s/θ if the score is positive, s·θ if negative (Keskar et al. 2019, arXiv:1909.05858).</summary>
/// <param name="penalty">The penalty θ.</param>
/// <param name="tokens">The tokens that have occurred, a list per row.</param>
internal sealed class RepetitionPenalty(double penalty, Func<LogitsContext, IReadOnlyList<IReadOnlyList<int>>> tokens) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores)
    {
        var rows = tokens(context);
        var width = rows.Max(row => row.Count);
        var ids = new long[rows.Count * width];
        // Shorter rows are padded with their first token, which has occurred anyway.
        for (var row = 0; row < rows.Count; row++)
            for (var i = 0; i < width; i++) ids[row * width + i] = rows[row][i < rows[row].Count ? i : 0];
        var indices = tensor(ids, [rows.Count, width], device: scores.device);
        var seen = scores.gather(1, indices);
        return scores.scatter(1, indices, where(seen.lt(Constant(0)), seen.mul(Constant(penalty)), seen.div(Constant(penalty))));
    }
}
