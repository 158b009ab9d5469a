using System.Runtime.InteropServices;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Runs the batches of a step in consecutive micro-batches, so that the process stays below a bound on its memory.</summary>
/// <param name="ways">What runs the micro-batches: the first that can.</param>
/// <param name="trainer">The trainer.</param>
/// <param name="parameters">The parameters.</param>
/// <param name="division">Decides the size of the micro-batches.</param>
/// <param name="meter">Measures what they take.</param>
internal sealed class BoundedBackward(IReadOnlyList<IBackward> ways, Trainer trainer, FlatParameters parameters, MemoryDivision division, MemoryMeter meter) : IBackward
{
    private bool passed;   // the last step passed the bound
    private double took = double.PositiveInfinity;   // bytes for each position, of the last step that began without free memory

    /// <inheritdoc/>
    /// <exception cref="NotEnoughMemoryException">The smallest micro-batches take more than the bound, or than there is.</exception>
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
        foreach (var way in ways) way.Dispose();
    }

    // Null if there was no memory: nothing has changed then, except that the next micro-batches are smaller.
    private (Tensor Loss, IReadOnlyList<string> Missing)? Run(IReadOnlyList<Batch> batches, List<Batch> parts, long seed, TrainingMetrics metrics)
    {
        var largest = parts.MaxBy(Positions)!;
        // What the allocator keeps counts, too, and grows from step to step. A measurement begins without it, and so does a step that might pass the bound with it.
        var clean = passed || !division.Settled || MemoryMeter.Resident + took * Positions(largest) > division.Bound;
        if (clean) MemoryMeter.Trim();
        var before = meter.Restart();
        using var own = new TrainingMetrics();
        (Tensor Loss, IReadOnlyList<string> Missing) result;
        try
        {
            result = ways.Select(way => way.Run(parts, seed, own)).First(each => each is not null)!.Value;
        }
        catch (Exception error) when (error is NotEnoughMemoryException || (error is ExternalException native && NativeError.IsOutOfMemory(native)))
        {
            if (IsSmallest(largest)) throw TooLarge(largest, $"found no memory, with {MemoryBudget.Text(before)} in use before it ({error.Message.Split('\n')[0]})");
            division.Passed(Positions(largest));
            passed = true;
            parameters.BindGradients();
            parameters.ZeroGradients();
            manual_seed(seed);
            return null;
        }
        metrics.Take(own);
        var peak = meter.Peak;
        passed = peak > division.Bound;
        if (clean) took = (double)(peak - before) / Positions(largest);
        if (!passed) division.Stayed(before, peak, Positions(largest), parts.Count == batches.Count);
        else if (!IsSmallest(largest)) division.Passed(Positions(largest));
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
        => new($"{nameof(TrainingOptions.MaxMemory)} is {MemoryBudget.Text(division.Bound)}, but a step {what}. Its largest part has {(Rows(part) == 1 ? "one row" : $"{Rows(part)} rows")} with {Positions(part)} positions, and is not divided any further"
            + (Rows(part) > 1 ? " (by this objective, model or adapter): use a smaller BatchSize with GradientAccumulation" : ": use shorter rows")
            + $". What else helps: checkpointed activations (CheckpointActivations), a quantized base model, a smaller rank, or a larger {nameof(TrainingOptions.MaxMemory)}.");

    private static int Rows(Batch batch) => batch.PackedLengths?.Count ?? (batch.InputIds.dim() == 0 ? 1 : (int)batch.InputIds.shape[0]);

    private static long Positions(Batch batch) => batch.InputIds.numel();
}
