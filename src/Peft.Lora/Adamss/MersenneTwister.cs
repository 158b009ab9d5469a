namespace Peft.Lora;

/// <summary>
/// The random numbers of NumPy's <c>RandomState(seed)</c>, where a seed in a file stands for them: MT19937 (Matsumoto and Nishimura 1998).
/// </summary>
internal sealed class MersenneTwister
{
    private const int Size = 624, Middle = 397;

    private readonly uint[] state = new uint[Size];
    private int next = Size;

    public MersenneTwister(uint seed)
    {
        state[0] = seed;
        for (var i = 1; i < Size; i++) state[i] = 1812433253 * (state[i - 1] ^ state[i - 1] >> 30) + (uint)i;
    }

    /// <summary>Uniform between 0 and 1, with 53 bits.</summary>
    public double Uniform() => ((Word() >> 5) * 67108864.0 + (Word() >> 6)) / 9007199254740992.0;

    /// <summary>Different numbers below a limit, all equally likely: drawn together, and those that came twice again.</summary>
    public int[] Choose(int limit, int count)
    {
        var chosen = new List<int>();
        while (chosen.Count < count)
        {
            // NumPy sums the probabilities of what is left, and divides by the sum.
            var sums = new double[limit];
            var sum = 0.0;
            for (var i = 0; i < limit; i++) sums[i] = sum += chosen.Contains(i) ? 0 : 1f / limit;
            int[] drawn = [.. Enumerable.Range(0, count - chosen.Count).Select(_ => Uniform())
                .Select(share => Array.FindIndex(sums, each => each / sum > share))];
            chosen.AddRange(drawn.Distinct());
        }
        return [.. chosen];
    }

    private uint Word()
    {
        if (next == Size) Renew();
        var word = state[next++];
        word ^= word >> 11;
        word ^= word << 7 & 0x9d2c5680;
        word ^= word << 15 & 0xefc60000;
        return word ^ word >> 18;
    }

    private void Renew()
    {
        for (var i = 0; i < Size; i++)
        {
            var joined = state[i] & 0x80000000 | state[(i + 1) % Size] & 0x7fffffff;
            state[i] = state[(i + Middle) % Size] ^ joined >> 1 ^ (joined & 1) * 0x9908b0df;
        }
        next = 0;
    }
}
