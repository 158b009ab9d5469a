using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Excludes some tokens, or all other tokens, in the rows to which it applies.</summary>
/// <param name="ids">The tokens.</param>
/// <param name="forced">True to exclude all other tokens.</param>
/// <param name="applies">True if it applies to a row.</param>
internal sealed class FixedTokens(IReadOnlyList<int> ids, bool forced, Func<LogitsContext, int, bool> applies) : ILogitsProcessor
{
    public Tensor Process(LogitsContext context, Tensor scores) => RowChoice.InRows(context, scores, applies, all =>
    {
        var places = RowChoice.Places(ids, all.device);
        return forced
            ? full_like(all, Constant(double.NegativeInfinity)).index_fill(-1, places, Constant(0))
            : all.index_fill(-1, places, Constant(double.NegativeInfinity));
    });
}
