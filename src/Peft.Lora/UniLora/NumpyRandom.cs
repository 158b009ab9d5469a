using System.Numerics;

namespace Peft.Lora;

/// <summary>
/// NumPy's <c>default_rng(seed)</c>, to reproduce values from a seed in a file: PCG64 (O'Neill 2014), seeded by a hash of the
/// seed (O'Neill 2015, "Developing a seed_seq alternative").
/// </summary>
internal sealed class NumpyRandom
{
    private static readonly UInt128 Multiplier = new(2549297995355413924, 4865540595714422341);

    private readonly UInt128 increment;
    private UInt128 state;
    private uint? half;

    public NumpyRandom(uint seed)
    {
        var words = Expand(seed);
        ulong Word(int i) => words[2 * i] | (ulong)words[2 * i + 1] << 32;
        increment = new UInt128(Word(2), Word(3)) << 1 | 1;
        state = increment + new UInt128(Word(0), Word(1));
        state = state * Multiplier + increment;
    }

    /// <summary>Distinct random indices below a limit, in random order: for many of many by a shuffle of the last ones, else by Floyd's algorithm (Bentley 1987), as NumPy chooses.</summary>
    public long[] Choose(int limit, int count)
    {
        if (limit > 10_000 && count > limit / 50)
        {
            long[] all = [.. Enumerable.Range(0, limit).Select(i => (long)i)];
            Shuffle(all, Below, Math.Max(limit - count, 1));
            return all[^count..];
        }
        var seen = new HashSet<long>();
        var chosen = new long[count];
        for (var j = limit - count; j < limit; j++)
        {
            long value = Below(j);
            if (!seen.Add(value)) seen.Add(value = j);
            chosen[j - (limit - count)] = value;
        }
        Shuffle(chosen, Below);
        return chosen;
    }

    /// <summary>Shuffles values in place.</summary>
    public void Shuffle(long[] values) => Shuffle(values, BelowByMask);

    private static void Shuffle(long[] values, Func<long, long> draw, int first = 1)
    {
        for (var i = values.Length - 1; i >= first; i--)
        {
            var j = draw(i);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }

    // A uniform integer in [0, largest] by rejection sampling. NumPy uses it to shuffle, and Lemire's method to choose.
    private long BelowByMask(long largest)
    {
        var mask = (uint)BitOperations.RoundUpToPowerOf2((uint)largest + 1) - 1;
        while (true)
            if ((Next() & mask) is var value && value <= largest) return value;
    }

    // A uniform integer in [0, largest] (Lemire 2018, arXiv:1805.10941).
    private long Below(long largest)
    {
        if (largest == 0) return 0;
        var count = (uint)largest + 1;
        var product = (ulong)Next() * count;
        if ((uint)product < count)
            for (var threshold = (uint)(uint.MaxValue - largest) % count; (uint)product < threshold;) product = (ulong)Next() * count;
        return (long)(product >> 32);
    }

    // Each 64-bit output gives two values, the lower half first.
    private uint Next()
    {
        if (half is { } kept)
        {
            half = null;
            return kept;
        }
        state = state * Multiplier + increment;
        var (high, low) = ((ulong)(state >> 64), (ulong)state);
        var word = BitOperations.RotateRight(high ^ low, (int)(high >> 58));
        half = (uint)(word >> 32);
        return (uint)word;
    }

    private static uint[] Expand(uint seed)
    {
        var hash = 0x43b0d7e5u;
        uint Hash(uint value)
        {
            value ^= hash;
            hash *= 0x931e8875;
            value *= hash;
            return value ^ value >> 16;
        }

        uint[] pool = [Hash(seed), Hash(0), Hash(0), Hash(0)];
        for (var source = 0; source < 4; source++)
            for (var to = 0; to < 4; to++)
            {
                if (source == to) continue;
                var mixed = 0xca01f9dd * pool[to] - 0x4973f715 * Hash(pool[source]);
                pool[to] = mixed ^ mixed >> 16;
            }

        hash = 0x8b51f9dd;
        return [.. Enumerable.Range(0, 8).Select(i =>
        {
            var value = pool[i % 4] ^ hash;
            hash *= 0x58f38ded;
            value *= hash;
            return value ^ value >> 16;
        })];
    }
}
