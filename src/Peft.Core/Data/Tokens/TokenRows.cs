namespace Peft;

/// <summary>Tokenized rows, each of some sequences of values: token ids, labels, or the parts of a pair.</summary>
internal abstract class TokenRows
{
    /// <summary>Number of rows.</summary>
    public abstract int Count { get; }

    /// <summary>The sequences of a row.</summary>
    public abstract long[][] this[int row] { get; }

    /// <summary>The lengths of the sequences of a row, without reading them.</summary>
    public abstract IReadOnlyList<int> LengthsOf(int row);

    /// <summary>A number as the two values of a sequence.</summary>
    public static long[] Bits(double number)
    {
        var bits = BitConverter.DoubleToInt64Bits(number);
        return [(int)bits, (int)(bits >> 32)];
    }

    /// <summary>The number of a sequence that <see cref="Bits"/> returned.</summary>
    public static double Number(long[] sequence) => BitConverter.Int64BitsToDouble((sequence[1] << 32) | (uint)(int)sequence[0]);
}
