namespace Peft;

/// <summary>A prefix that is attended through gates.</summary>
public interface IGatesPrefix
{
    /// <summary>Gate of each layer's prefix; null if the prefix is always fully attended.</summary>
    IReadOnlyList<PrefixGate>? Gates { get; }
}
