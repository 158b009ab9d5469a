using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Runs the batches of a step as consecutive micro-batches, so that the process stays within a memory bound.</summary>
/// <param name="runners">Candidates for running the micro-batches. The first that supports them is used.</param>
/// <param name="trainer">The trainer.</param>
/// <param name="parameters">The parameters.</param>
/// <param name="optimizer">The optimizer.</param>
/// <param name="division">Decides the size of the micro-batches.</param>
/// <param name="meter">Measures their memory.</param>
internal sealed class BoundedBackward(IReadOnlyList<IBackward> runners, Trainer trainer, FlatParameters parameters, FlatOptimizer optimizer, MemoryDivision division, MemoryMeter meter) : IBackward
{
    private bool exceeded;   // the last step exceeded the bound
    private double took = double.PositiveInfinity;   // bytes per position of the last step that began without free memory

    /// <inheritdoc/>
    /// <exception cref="NotEnoughMemoryException">The smallest micro-batches take more than the bound, or than the available memory.</exception>
    public (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, long seed, TrainingMetrics metrics)
    {
        while (true)
        {
            var parts = batches.SelectMany(Divide).ToList();
            var size = division.Positions;
            try
            {
                if (Run(batches, parts, seed, metrics) is { } result) return result;
            }
            finally
            {
                if (division.Positions is { } positions && positions != size) TrainingLog.Divided(trainer.Logger, positions);
                foreach (var part in parts.Except(batches)) part.Dispose();
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var runner in runners) runner.Dispose();
    }

    // Null if memory ran out. Nothing has changed then, except that the next micro-batches are smaller.
    private (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, List<Batch> parts, long seed, TrainingMetrics metrics)
    {
        var largest = parts.MaxBy(Positions)!;
        optimizer.Evict();
        // The memory that the allocator keeps counts too, and grows from step to step. A measurement begins without it, and so does a step that might pass the bound with it.
        var clean = exceeded || !division.Settled || MemoryMeter.Resident + took * Positions(largest) > division.Bound;
        if (clean) MemoryMeter.Trim();
        var before = meter.Restart();
        using var own = new TrainingMetrics();
        (Tensor Loss, IReadOnlyList<string> Missing) result;
        try
        {
            result = runners.Select(runner => runner.Run(parts, seed, own)).First(each => each is not null)!.Value;
        }
        catch (Exception error) when (error is NotEnoughMemoryException || (error is ExternalException native && NativeError.IsOutOfMemory(native)))
        {
            if (IsSmallest(largest)) throw TooLarge(largest, $"ran out of memory, with {MemoryBudget.Text(before)} in use before it ({error.Message.Split('\n')[0]})");
            division.RecordExceeded(Positions(largest));
            exceeded = true;
            parameters.BindGradients();
            parameters.ZeroGradients();
            manual_seed(seed);
            return null;
        }
        metrics.Take(own);
        var peak = meter.Peak;
        exceeded = peak > division.Bound;
        if (clean) took = (double)(peak - before) / Positions(largest);
        if (!exceeded) division.RecordWithin(before, peak, Positions(largest), parts.Count == batches.Count);
        else if (!IsSmallest(largest)) division.RecordExceeded(Positions(largest));
        else if (clean) throw TooLarge(largest, $"took {MemoryBudget.Text(peak)}, of which {MemoryBudget.Text(before)} were in use before it");
        return result;
    }

    private IReadOnlyList<Batch> Divide(Batch batch)
    {
        var (rows, positions) = (Rows(batch), Positions(batch));
        for (var parts = division.Parts(positions, rows); parts > 1; parts = Math.Min(2 * parts, rows))
        {
            var divided = trainer.Goal.Divide(batch, parts);
            if (parts == rows || divided.All(part => division.Fits(Positions(part)))) return divided;
            foreach (var part in divided.Where(part => part != batch)) part.Dispose();
        }
        return [batch];
    }

    private bool IsSmallest(Batch part)
    {
        var divided = Rows(part) < 2 ? [part] : trainer.Goal.Divide(part, 2);
        foreach (var each in divided.Where(each => each != part)) each.Dispose();
        return divided.Contains(part);
    }

    private NotEnoughMemoryException TooLarge(Batch part, string what)
        => new($"{nameof(TrainingOptions.MaxMemory)} is {MemoryBudget.Text(division.Bound)}, but a step {what}. Its largest micro-batch has {(Rows(part) == 1 ? "one row" : $"{Rows(part)} rows")} with {Positions(part)} positions and cannot be divided further"
            + (Rows(part) > 1 ? " (by this objective, model or adapter): use a smaller BatchSize with GradientAccumulation" : ": use shorter rows")
            + $". Other remedies are activation checkpointing (CheckpointActivations), a quantized base model, a smaller rank, or a larger {nameof(TrainingOptions.MaxMemory)}.");

    private static int Rows(Batch batch) => batch.PackedLengths?.Count ?? (batch.InputIds.dim() == 0 ? 1 : (int)batch.InputIds.size(0));

    private static long Positions(Batch batch) => batch.InputIds.numel();
}
