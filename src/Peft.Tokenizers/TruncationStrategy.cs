namespace Peft;

/// <summary>The text of a pair that is truncated.</summary>
public enum TruncationStrategy
{
    /// <summary>Truncates the longer text, until both are equally long.</summary>
    LongestFirst,
    /// <summary>Truncates the first text; an error if that is not enough.</summary>
    OnlyFirst,
    /// <summary>Truncates the second text; an error if that is not enough.</summary>
    OnlySecond,
}
