namespace Peft.Models;

/// <summary>Limits of a <see cref="ContinuousBatcher"/>.</summary>
public sealed record ContinuousBatchingOptions
{
    /// <summary>Maximum number of requests that run concurrently.</summary>
    public int MaxBatchSize { get; init; } = 16;

    /// <summary>Maximum number of positions of the KV cache: the number of requests times the length of the longest, including its prompt and new tokens.</summary>
    public int MaxTokens { get; init; } = 32768;

    /// <summary>Maximum number of waiting requests. Additional ones are rejected with a <see cref="QueueFullException"/>.</summary>
    public int MaxQueueLength { get; init; } = 256;
}
