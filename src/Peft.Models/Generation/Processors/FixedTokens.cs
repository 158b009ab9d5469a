using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Excludes the given tokens, or all others, in selected rows.</summary>
/// <param name="ids">The tokens.</param>
/// <param name="forced">True to exclude all but the given tokens.</param>
/// <param name="applies">Selects the rows.</param>
internal sealed class FixedTokens(IReadOnlyList<int> ids, bool forced, Func<LogitsContext, int, bool> applies) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores) => RowChoice.InRows(context, scores, applies, all =>
    {
        var indices = RowChoice.Indices(ids, all.device);
        return forced
            ? full_like(all, Constant(double.NegativeInfinity)).index_fill(-1, indices, Constant(0))
            : all.index_fill(-1, indices, Constant(double.NegativeInfinity));
    });
}
