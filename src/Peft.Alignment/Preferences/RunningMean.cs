namespace Peft;

/// <summary>The mean of all values so far.</summary>
/// <param name="Mean">The mean; 0 before the first value.</param>
/// <param name="Count">Number of values.</param>
internal readonly record struct RunningMean(double Mean, long Count)
{
    /// <summary>The mean after further values.</summary>
    /// <param name="mean">Mean of these values.</param>
    /// <param name="count">Their number.</param>
    public RunningMean Add(double mean, long count) => new(Mean + (mean - Mean) * count / (Count + count), Count + count);
}
