using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Changes scores of selected rows and tokens.</summary>
internal static class RowChoice
{
    /// <summary>Changes the scores of the rows that a predicate selects.</summary>
    public static Tensor InRows(LogitsContext context, Tensor scores, Func<LogitsContext, int, bool> applies, Func<Tensor, Tensor> change)
    {
        var rows = new bool[scores.size(0)];
        for (var row = 0; row < rows.Length; row++) rows[row] = applies(context, row);
        if (!rows.Contains(true)) return scores;
        var changed = change(scores);
        return rows.Contains(false) ? where(tensor(rows, device: scores.device).unsqueeze(1), changed, scores) : changed;
    }

    /// <summary>Adds values to individual scores.</summary>
    public static Tensor Add(Tensor scores, IReadOnlyList<(int Row, int Token, float Value)> additions)
    {
        if (additions.Count == 0) return scores;
        var width = scores.size(1);
        var indices = tensor(additions.Select(each => each.Row * width + each.Token).ToArray(), device: scores.device);
        var values = tensor(additions.Select(each => each.Value).ToArray(), device: scores.device);
        return scores.reshape(-1).index_add(0, indices, values, Constant(1)).view(scores.shape);
    }

    public static Tensor Indices(IReadOnlyList<int> ids, Device device) => tensor(ids.Select(id => (long)id).ToArray(), device: device);
}
