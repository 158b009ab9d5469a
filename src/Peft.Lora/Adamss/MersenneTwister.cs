namespace Peft.Lora;

/// <summary>
/// NumPy's <c>RandomState(seed)</c>, to reproduce values from a seed in a file: MT19937 (Matsumoto and Nishimura 1998).
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

    /// <summary>A uniform value in [0, 1) with 53 random bits.</summary>
    public double Uniform() => ((Word() >> 5) * 67108864.0 + (Word() >> 6)) / 9007199254740992.0;

    /// <summary>Distinct uniformly drawn indices below a limit. All are drawn at once; duplicates are drawn again.</summary>
    public int[] Choose(int limit, int count)
    {
        var chosen = new List<int>();
        while (chosen.Count < count)
        {
            // NumPy normalizes the cumulative sum of the remaining probabilities.
            var sums = new double[limit];
            var sum = 0.0;
            for (var i = 0; i < limit; i++) sums[i] = sum += chosen.Contains(i) ? 0 : 1f / limit;
            int[] drawn = [.. Enumerable.Range(0, count - chosen.Count).Select(_ => Uniform())
                .Select(uniform => Array.FindIndex(sums, each => each / sum > uniform))];
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
