namespace Peft.Models;

/// <summary>Statistics of a <see cref="ContinuousBatcher"/> so far.</summary>
/// <param name="Waiting">Number of requests that wait.</param>
/// <param name="Running">Number of requests that are being computed.</param>
/// <param name="Steps">Number of forward passes after prompts.</param>
/// <param name="Rows">Number of rows in all these passes together.</param>
/// <param name="Tokens">Number of tokens that were chosen.</param>
public sealed record BatchingStatistics(int Waiting, int Running, long Steps, long Rows, long Tokens)
{
    /// <summary>Mean number of requests in a forward pass; 0 before the first.</summary>
    public double MeanBatchSize => Steps == 0 ? 0 : (double)Rows / Steps;
}
