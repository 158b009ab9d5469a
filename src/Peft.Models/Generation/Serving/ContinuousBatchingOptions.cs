namespace Peft.Models;

/// <summary>Limits of a <see cref="ContinuousBatcher"/>.</summary>
public sealed record ContinuousBatchingOptions
{
    /// <summary>Maximum number of requests that are computed at the same time.</summary>
    public int MaxBatchSize { get; init; } = 16;

    /// <summary>Maximum number of positions of the KV cache: requests times the longest of them, prompt and new tokens, padding included.</summary>
    public int MaxTokens { get; init; } = 32768;

    /// <summary>Maximum number of requests that wait. More are refused with a <see cref="QueueFullException"/>.</summary>
    public int MaxQueueLength { get; init; } = 256;
}
