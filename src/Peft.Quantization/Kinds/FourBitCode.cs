using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>The 16 values of a code of four bits.</summary>
public sealed class FourBitCode
{
    /// <summary>Number of codes.</summary>
    internal const int Count = 16;

    private readonly float[] table;

    private FourBitCode(string name, float[] table)
    {
        (Name, this.table) = (name, table);
        // Of two zeros, the first.
        byte[] order = [.. Enumerable.Range(0, Count).Where(code => code == 0 || table[code] != table[0]).OrderBy(code => table[code]).Select(code => (byte)code)];
        Middles = [.. order.Zip(order.Skip(1), (low, high) => (table[low] + table[high]) / 2).Concat(Enumerable.Repeat(float.PositiveInfinity, Count - order.Length))];
        Order = [.. order.Concat(new byte[Count - order.Length])];
    }

    /// <summary>The codes by rising value. Those that are missing, since their values are another code's, are filled with 0.</summary>
    internal byte[] Order { get; }

    /// <summary>The midpoints between neighboring values; infinity for those that are missing.</summary>
    internal float[] Middles { get; }

    /// <summary>Quantiles of a normal distribution, 8 below zero and 7 above (arXiv:2305.14314, appendix E).</summary>
    public static FourBitCode Nf4 { get; } = new("nf4",
    [
        -1f, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f, -0.09105003625154495f, 0f,
        0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f, 0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1f,
    ]);

    /// <summary>Sign, two bits of exponent and one of fraction, divided by the largest value.</summary>
    public static FourBitCode Fp4 { get; } = new("fp4",
    [
        0f, 0.0625f / 12, 8f / 12, 1f, 4f / 12, 6f / 12, 2f / 12, 3f / 12,
        -0f, -0.0625f / 12, -8f / 12, -1f, -4f / 12, -6f / 12, -2f / 12, -3f / 12,
    ]);

    /// <summary>Name in checkpoints: <c>nf4</c> or <c>fp4</c>.</summary>
    public string Name { get; }

    /// <summary>The values by code.</summary>
    public IReadOnlyList<float> Table => table;

    /// <summary>The code of a name; null if it is unknown.</summary>
    internal static FourBitCode? Named(string? name) => name == Nf4.Name ? Nf4 : name == Fp4.Name ? Fp4 : null;

    /// <summary>The codes of values in [-1, 1], as bytes: the nearest value, the lower one for a tie. Of FP4's zeros, the positive one.</summary>
    internal Tensor Encode(Tensor scaled)
    {
        using var codes = tensor(Order, device: scaled.device);
        using var between = tensor(Middles, device: scaled.device);
        using var ranks = searchsorted(between, scaled);
        return codes.index_select(0, ranks);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;
}
