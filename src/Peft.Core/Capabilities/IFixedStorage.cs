namespace Peft;

/// <summary>A stored weight that may not take new values, because its form follows from more than the values.</summary>
public interface IFixedStorage
{
    /// <summary>Why it takes no new values, as a sentence; null if it does.</summary>
    string? WhyFixed { get; }
}
