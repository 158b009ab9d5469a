namespace Peft;

/// <summary>A stored weight that may not be overwritten, because its representation depends on more than its values.</summary>
public interface IFixedStorage
{
    /// <summary>The reason that it cannot be overwritten, as a sentence; null if it can.</summary>
    string? WhyFixed { get; }
}
