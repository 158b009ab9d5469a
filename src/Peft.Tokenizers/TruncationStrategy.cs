namespace Peft;

/// <summary>The text of a pair to truncate.</summary>
public enum TruncationStrategy
{
    /// <summary>Truncates the longer text, until both are equally long.</summary>
    LongestFirst,
    /// <summary>Truncates the first text; throws if that is not enough.</summary>
    OnlyFirst,
    /// <summary>Truncates the second text; throws if that is not enough.</summary>
    OnlySecond,
}
