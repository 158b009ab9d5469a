namespace Peft.Models;

/// <summary>Statistics of a <see cref="ContinuousBatcher"/> so far.</summary>
/// <param name="Waiting">Number of waiting requests.</param>
/// <param name="Running">Number of running requests.</param>
/// <param name="Steps">Number of decode steps.</param>
/// <param name="Rows">Total number of rows in these steps.</param>
/// <param name="Tokens">Number of generated tokens.</param>
public sealed record BatchingStatistics(int Waiting, int Running, long Steps, long Rows, long Tokens)
{
    /// <summary>Mean number of requests per decode step; 0 before the first.</summary>
    public double MeanBatchSize => Steps == 0 ? 0 : (double)Rows / Steps;
}
