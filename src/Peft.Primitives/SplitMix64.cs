namespace Peft;

/// <summary>A small random generator with the same values on every platform (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators").</summary>
internal struct SplitMix64(ulong state)
{
    private const ulong Increment = 0x9E3779B97F4A7C15;

    /// <summary>Derives a distinct seed from each pair of seed and index.</summary>
    public static ulong Mix(long seed, long index)
    {
        var first = new SplitMix64((ulong)seed);
        return new SplitMix64(first.Next() + (ulong)index * Increment).Next();
    }

    public ulong Next()
    {
        state += Increment;
        var z = state;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }

    /// <summary>Draws an integer in [0, bound), uniform except for a bias below 2⁻³².</summary>
    public int Next(int bound) => (int)Math.BigMul(Next(), (ulong)bound, out _);

    /// <summary>Draws a number in [0, 1), a multiple of 2⁻⁵³.</summary>
    public double NextDouble() => (Next() >> 11) * (1.0 / (1L << 53));

    /// <summary>Shuffles items (Fisher and Yates).</summary>
    public void Shuffle<T>(Span<T> items)
    {
        for (var i = items.Length - 1; i > 0; i--)
        {
            var j = Next(i + 1);
            (items[i], items[j]) = (items[j], items[i]);
        }
    }
}
