using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>Keys and values that precede the positions of each sequence. They are not rotated, and no queries belong to them.</summary>
/// <param name="Keys"><c>[length, key/value heads · size]</c>, the same for all rows, or <c>[batch · length, key/value heads · size]</c>. Contiguous.</param>
/// <param name="Values">Likewise.</param>
/// <param name="Length">Number of keys per row.</param>
internal sealed record AttentionPrefix(Tensor Keys, Tensor Values, int Length)
{
    /// <summary>True if each row has its own.</summary>
    public bool IsPerRow => Keys.size(0) > Length;

    /// <summary>The prefix of rows.</summary>
    /// <param name="keys"><c>[batch, key/value heads, length, size]</c></param>
    /// <param name="values">Likewise.</param>
    public static AttentionPrefix Of(Tensor keys, Tensor values) => new(Flat(keys), Flat(values), (int)keys.size(2));

    // An expanded prefix is the same for all rows.
    private static Tensor Flat(Tensor each) => (each.stride(0) == 0 ? each.narrow(0, 0, 1) : each).transpose(1, 2).reshape(-1, each.size(1) * each.size(3)).AsContiguous();

    /// <summary>Rows followed by those of the prefix.</summary>
    /// <param name="rows"><c>[…, key/value heads · size]</c>, contiguous.</param>
    /// <param name="prefix">Keys or values of the prefix.</param>
    public static Tensor Append(Tensor rows, Tensor prefix)
    {
        using var flat = rows.view(-1, prefix.size(1));
        return cat([flat, prefix], 0);
    }
}
