namespace Peft;

/// <summary>The part of a row that is kept if it is longer than the maximum length.</summary>
public enum TruncationMode
{
    /// <summary>The beginning.</summary>
    KeepStart,

    /// <summary>The end.</summary>
    KeepEnd,
}
