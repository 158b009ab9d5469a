using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>One optimizer step: forward and backward passes over its batches, checks, clipping, update.</summary>
internal sealed class TrainingStep(Trainer trainer, FlatParameters parameters, FlatOptimizer optimizer, MemoryMeter memory, MemoryDivision? division) : IDisposable
{
    private readonly TrainingOptions options = trainer.Options;
    private readonly Device device = trainer.Model.Trainables[0].Value.device;
    private readonly IBackward[] runners = Runners(trainer, parameters, optimizer, memory, division);   // the first that supports the batches is used
    private bool first = true;
    private static readonly Dictionary<string, double> None = [];
    private static readonly Dictionary<string, IReadOnlyList<string>> NoSamples = [];

    /// <summary>The result of a step.</summary>
    /// <param name="Loss">Loss over all batches.</param>
    /// <param name="GradientNorm">Norm before clipping.</param>
    /// <param name="Tokens">Number of tokens without padding.</param>
    /// <param name="Metrics">Metrics of the objective.</param>
    /// <param name="Skipped">True if the update was skipped because the loss or gradient was not finite.</param>
    /// <param name="Samples">Texts of the objective.</param>
    public readonly record struct Outcome(double Loss, double GradientNorm, long Tokens, IReadOnlyDictionary<string, double> Metrics, bool Skipped, IReadOnlyDictionary<string, IReadOnlyList<string>> Samples);

    private static IBackward[] Runners(Trainer trainer, FlatParameters parameters, FlatOptimizer optimizer, MemoryMeter memory, MemoryDivision? division)
    {
        IBackward[] runners = [new ParallelBackward(trainer, parameters), new WholeBackward(trainer, parameters)];
        return division is null ? runners : [new BoundedBackward(runners, trainer, parameters, optimizer, division, memory)];
    }

    /// <param name="step">Number of completed steps.</param>
    /// <param name="epoch">Index of the epoch.</param>
    /// <param name="rows">Rows of each batch.</param>
    /// <param name="scheduleFactor">Factor of the learning rate.</param>
    /// <param name="cancellationToken">Ends the preparation of the batches.</param>
    /// <returns>The result; null if the preparation was cancelled.</returns>
    public Outcome? Run(int step, int epoch, IReadOnlyList<int[]> rows, double scheduleFactor, CancellationToken cancellationToken)
    {
        optimizer.BeginStep();
        trainer.Goal.Epoch = epoch;
        var seed = (long)SplitMix64.Mix(options.Seed, step);
        manual_seed(seed);
        using var scope = NewDisposeScope();
        using var metrics = new TrainingMetrics();
        var loaded = new List<Batch>();
        IReadOnlyList<Batch> batches = loaded;
        try
        {
            foreach (var batchRows in rows) loaded.Add(Load(batchRows, epoch));
            try
            {
                trainer.Goal.Cancellation = cancellationToken;
                using (no_grad()) batches = trainer.Goal.Prepare(loaded, step, metrics);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                return null;
            }
            var (loss, missing) = AddPenalty(runners.Select(runner => runner.Run(batches, seed, metrics)).First(result => result is not null)!.Value);
            if (first)
            {
                CheckReached();
                CheckGradients(missing);
            }
            first = false;
            if (trainer.GradientTransform is { } transform)
            {
                using (no_grad()) transform(parameters.Trained);
                parameters.BindGradients();
            }
            var outcome = Measure(loss) with { Tokens = batches.Sum(batch => batch.Tokens), Metrics = metrics.Means(), Samples = metrics.Samples() };
            if (outcome.Skipped)
            {
                if (options.NonFinite == NonFinitePolicy.Throw) throw NotFinite(step, rows, outcome);
            }
            else
            {
                if (options.MaxGradientNorm is { } maximum) parameters.ClipGradients(outcome.GradientNorm, maximum);
                optimizer.Step(scheduleFactor);
            }
            return outcome;
        }
        finally
        {
            foreach (var batch in batches.Union(loaded)) batch.Dispose();
        }
    }

    /// <summary>Creates the exception for a step whose loss or gradient is not finite.</summary>
    public TrainingException NotFinite(int step, IReadOnlyList<int[]> rows, Outcome outcome)
        => new($"Step {step + 1}: the loss is {outcome.Loss} and the gradient norm {outcome.GradientNorm}. First tensor with a non-finite gradient or value: "
            + $"{parameters.FirstNonFinite() ?? "none"}. Batch: {Describe([.. rows.SelectMany(row => row)])}. Lower the learning rate, add warmup, "
            + "inspect these rows, or set NonFinite to SkipStep.");

    private Batch Load(int[] rows, int epoch)
    {
        var batch = trainer.Data.GetBatch(rows, epoch);
        if (batch.Weight > 0) return batch.To(device);
        batch.Dispose();
        throw new DatasetException($"There are no labels in {Describe(rows)}: all are ignored (the batch's Weight is 0). "
            + "Raise the maximum length so that the labels are not truncated, or remove these rows.");
    }

    private (Tensor Loss, IReadOnlyList<string> Missing) AddPenalty((Tensor Loss, IReadOnlyList<string> Missing) computed)
    {
        var (loss, missing) = computed;
        if (trainer.Model.Penalty() is not { } penalty) return computed;
        using (SavedTensors.InOnePass()) BackwardFailure.Run(() => penalty.backward());
        // A tensor on which the loss does not depend may receive a gradient from the penalty.
        if (first) missing = [.. parameters.Trained.Where(tensor => missing.Contains(tensor.Name) && tensor.Value.grad!.count_nonzero().item<long>() == 0).Select(tensor => tensor.Name)];
        return (loss.add(penalty.detach(), One), missing);
    }

    public void Dispose()
    {
        foreach (var runner in runners) runner.Dispose();
    }

    // A single transfer from the device for both values.
    private Outcome Measure(Tensor loss)
    {
        using var _ = no_grad();
        var norm = parameters.GradientNorm();
        var numbers = stack([loss.reshape([]).to(norm.device).to_type(norm.dtype), norm]).cpu().data<float>();
        var (lossValue, normValue) = ((double)numbers[0], (double)numbers[1]);
        return new(lossValue, normValue, 0, None, !double.IsFinite(lossValue) || !double.IsFinite(normValue), NoSamples);
    }

    private void CheckReached()
    {
        if (trainer.Model.Unreached.Count == 0) return;
        throw new TrainingException("The forward pass did not reach the adapted modules " + Shorten(trainer.Model.Unreached)
            + ". Their parent calls module.forward(x), which skips hooks: call module.call(x) there, or exclude these modules from the targets.");
    }

    private void CheckGradients(IReadOnlyList<string> missing)
    {
        if (missing.Count == 0 || options.MissingGradients == MissingGradientPolicy.Ignore) return;
        var message = $"{missing.Count} of {parameters.Trained.Count} trainable tensors received no gradient in the first step, so they would never be trained: {Shorten(missing)}. "
            + "The loss does not depend on them: freeze them, use them, or set MissingGradients to Ignore if the model does not use all of its modules in each step.";
        if (options.MissingGradients == MissingGradientPolicy.Throw) throw new TrainingException(message);
        TrainingLog.Warning(trainer.Logger, message);
    }

    /// <summary>Formats the first names of a list.</summary>
    internal static string Shorten(IReadOnlyList<string> names)
        => string.Join(", ", names.Take(8)) + (names.Count > 8 ? $" and {names.Count - 8} more" : "");

    private string Describe(int[] rows)
    {
        var consecutive = rows[^1] - rows[0] == rows.Length - 1 && rows.Zip(rows.Skip(1)).All(pair => pair.Second == pair.First + 1);
        var which = rows.Length == 1 ? $"row {rows[0]}"
            : consecutive ? $"rows {rows[0]} to {rows[^1]}"
            : $"rows {Shorten([.. rows.Select(row => row.ToString(System.Globalization.CultureInfo.InvariantCulture))])}";
        return $"{which} of {trainer.Data.Name} (counted from 0)";
    }
}
