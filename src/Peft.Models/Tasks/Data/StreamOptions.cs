namespace Peft.Models;

/// <summary>Options of a <see cref="StreamedDataset"/>.</summary>
public sealed record StreamOptions
{
    /// <summary>Number of tokenized batches that wait in memory for the model. 8 by default.</summary>
    public int BatchesAhead { get; init; } = 8;

    /// <summary>Number of rows in the buffer from which a shuffled epoch draws its rows (<see cref="Dataset.Shuffle"/>). 10,000 by default.</summary>
    public int ShuffleBuffer { get; init; } = 10_000;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(BatchesAhead, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(ShuffleBuffer, 1);
    }
}
