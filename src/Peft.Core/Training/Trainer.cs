using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Trains any <see cref="ITrainable"/>: step loop, schedule, evaluation, checkpoints and exact resume. A resumed run gives the same
/// numbers, bit for bit, as one that was never interrupted.
/// </summary>
/// <param name="model">What to train. It stays the caller's, and may be used as before when the run has ended.</param>
/// <param name="data">Rows to train on.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <remarks>Not safe for use from several threads at once. The global random state of torch is set anew before each step.</remarks>
public sealed class Trainer(ITrainable model, TrainingDataset data, TrainingOptions? options = null)
{
    /// <summary>What is trained.</summary>
    public ITrainable Model { get; } = model ?? throw new ArgumentNullException(nameof(model));

    /// <summary>Rows to train on.</summary>
    public TrainingDataset Data { get; } = data ?? throw new ArgumentNullException(nameof(data));

    /// <summary>Settings.</summary>
    public TrainingOptions Options { get; } = options ?? new();

    /// <summary>Rows to evaluate on; null for no evaluation.</summary>
    public TrainingDataset? Evaluation { get; init; }

    /// <summary>The mean loss of a batch, a scalar with a gradient. Needed if the module is no <see cref="ILossModel"/>; goes before it otherwise.</summary>
    public Func<Batch, Tensor>? Loss { get; init; }

    /// <summary>Values of an evaluation besides those that its dataset measures (<see cref="TrainingDataset.Metrics"/>): scalar means of a batch, averaged with <see cref="Batch.Weight"/>.</summary>
    public IReadOnlyDictionary<string, Func<Batch, Tensor>> Metrics { get; init; } = new Dictionary<string, Func<Batch, Tensor>>();

    /// <summary>Further values of an evaluation that are no means over batches, such as F1 or a score of generated text. Runs in evaluation mode, without gradients.</summary>
    public Func<CancellationToken, IReadOnlyDictionary<string, double>>? EvaluationMetrics { get; init; }

    /// <summary>Run in order at each event.</summary>
    public IReadOnlyList<ITrainerCallback> Callbacks { get; init; } = [];

    /// <summary>Changes the gradients in place, after backward and before they are measured and clipped (LoRA-FA's correction).</summary>
    public Action<IReadOnlyList<TrainableTensor>>? GradientTransform { get; init; }

    /// <summary>Where the run is logged.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Makes the meter <c>Peft.Training</c>; null for a meter of the run's own.</summary>
    public IMeterFactory? MeterFactory { get; init; }

    /// <summary>Measures times.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Trains on a thread of the pool.</summary>
    /// <param name="progress">Told after each step.</param>
    /// <param name="cancellationToken">Ends the run after the current step; see <see cref="TrainingOptions.SaveOnCancel"/>.</param>
    /// <exception cref="TrainingException">The options are wrong (the message names all errors), or the run cannot go on.</exception>
    /// <exception cref="TrainingCanceledException">The token was cancelled. It carries the result so far, and the task counts as cancelled.</exception>
    public Task<TrainingResult> TrainAsync(IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
        => Task.Run(() => Train(progress, cancellationToken), cancellationToken);

    /// <summary>Trains on this thread.</summary>
    /// <inheritdoc cref="TrainAsync"/>
    public TrainingResult Train(IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var holding = Model.BeginTraining();
        Validate();
        using var run = new TrainingRun(this, progress, cancellationToken);
        return run.Run();
    }

    /// <summary>Evaluates the model as it is.</summary>
    /// <param name="cancellationToken">Ends the evaluation after the current batch.</param>
    /// <exception cref="TrainingException">The options are wrong, or <see cref="Evaluation"/> is not set.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public EvaluationResult Evaluate(CancellationToken cancellationToken = default)
    {
        if (Evaluation is null) throw new TrainingException("There is nothing to evaluate on: set the trainer's Evaluation dataset.");
        Validate(evaluateOnly: true);
        return Evaluator.Evaluate(this, step: 0, cancellationToken) ?? throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>The last complete checkpoint in an output folder; null if there is none.</summary>
    /// <param name="outputFolder">The <see cref="TrainingOptions.OutputFolder"/> of an earlier run; it need not exist.</param>
    public static string? FindLastCheckpoint(string outputFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(outputFolder);
        return CheckpointFolder.All(outputFolder) is [.., var last] ? last.Path : null;
    }

    private IReadOnlyList<DatasetMetric> DatasetMetrics => Model.Module is IOutputModel ? Evaluation?.Metrics ?? [] : [];

    /// <summary>Whether a larger value of the metric that decides is better; null if that is not known.</summary>
    internal bool? GreaterIsBetter => Options.GreaterIsBetter ?? (Options.BestMetric == "loss" ? false : DatasetMetrics.FirstOrDefault(metric => metric.Name == Options.BestMetric)?.GreaterIsBetter);

    /// <summary>The loss that training minimises, without the method's penalty.</summary>
    internal Tensor LossOf(Batch batch) => Loss is { } loss ? loss(batch) : ((ILossModel)Model.Module).Loss(batch);

    private static string? LengthError(TrainingDataset? data)
    {
        try
        {
            if (data?.Count > 0) data.LengthOf(0);
            return null;
        }
        catch (DatasetException error)
        {
            return error.Message;
        }
    }

    private void Validate(bool evaluateOnly = false)
    {
        List<string> errors = [.. NullValues.Errors(Options)];
        if (errors.Count == 0) errors.AddRange(Options.Errors());
        if (Model.Trainables.Count == 0) errors.Add(Model is PeftModel peft ? peft.NothingLearns : "The model has no trainable tensor: unfreeze what shall learn.");
        if (Data.Count == 0) errors.Add($"The dataset {Data.Name} has no rows.");
        if (Evaluation?.Count == 0) errors.Add($"The evaluation dataset {Evaluation.Name} has no rows.");
        if (Options.GroupByLength) errors.AddRange(new[] { evaluateOnly ? null : Data, Evaluation }.Select(LengthError).OfType<string>());
        if (Loss is null && Model.Module is not ILossModel)
            errors.Add($"{Model.Module.GetType().Name} is no ILossModel and the trainer's Loss is not set: set Loss to a function from batch to mean loss.");
        if (Evaluation is null)
        {
            if (Options.LoadBestAtEnd) errors.Add("LoadBestAtEnd needs the trainer's Evaluation dataset, which is not set.");
            if (Options.EarlyStoppingPatience is { } patience) errors.Add($"EarlyStoppingPatience is {patience}, but the trainer's Evaluation dataset is not set.");
            if (Options.EvaluateEverySteps is { } steps) errors.Add($"EvaluateEverySteps is {steps}, but the trainer's Evaluation dataset is not set.");
        }
        foreach (var data in evaluateOnly ? [] : new[] { Data }.Append(Evaluation).OfType<TrainingDataset>().Distinct()) errors.AddRange(data.Errors(Model.Module));
        if (evaluateOnly) errors.AddRange(Evaluation!.Errors(Model.Module));
        var known = Metrics.Keys.Concat(DatasetMetrics.Select(metric => metric.Name)).Prepend("loss").ToList();
        if (EvaluationMetrics is null && !known.Contains(Options.BestMetric)) errors.Add($"BestMetric is '{Options.BestMetric}', but there is no such metric. Known: {string.Join(", ", known)}.");
        else if (GreaterIsBetter is null) errors.Add($"BestMetric is '{Options.BestMetric}', of which it is not known whether larger is better: set GreaterIsBetter.");
        if (!evaluateOnly && Options is { ResumeFrom: null, OutputFolder: { } folder } && FindLastCheckpoint(folder) is { } last)
            errors.Add($"OutputFolder {folder} holds checkpoints of another run, the last being {last}: set ResumeFrom to go on from it, or choose another folder.");
        if (errors.Count > 0) throw new TrainingException($"The {(evaluateOnly ? "evaluation" : "training")} cannot start. " + string.Join(' ', errors));
    }
}
