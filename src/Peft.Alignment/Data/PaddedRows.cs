using static TorchSharp.torch;

namespace Peft;

/// <summary>Rows of different lengths as tensors <c>[rows, longest]</c>.</summary>
internal static class PaddedRows
{
    /// <summary>Values, padded on the right.</summary>
    public static Tensor Right(IReadOnlyList<long[]> rows, long filling) => LabelledSequence.Fill(rows, rows.Max(row => row.Length), filling);

    /// <summary>Values, padded on the left.</summary>
    public static Tensor Left(IReadOnlyList<long[]> rows, long filling)
    {
        var width = rows.Max(row => row.Length);
        return LabelledSequence.Fill([.. rows.Select(row => Enumerable.Repeat(filling, width - row.Length).Concat(row).ToArray())], width, filling);
    }

    /// <summary>A 1 for each value of each row.</summary>
    public static IReadOnlyList<long[]> Ones(IReadOnlyList<long[]> rows) => [.. rows.Select(row => Enumerable.Repeat(1L, row.Length).ToArray())];
}
