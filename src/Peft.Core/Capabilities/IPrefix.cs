namespace Peft;

/// <summary>A soft prompt of positions that consist only of keys and values.</summary>
public interface IPrefix
{
    /// <summary>Number of positions before the input.</summary>
    int PrefixCount { get; }

    /// <summary>Gate of each layer's prefix; null if the prefix is always fully attended.</summary>
    IReadOnlyList<PrefixGate>? Gates { get; }
}
