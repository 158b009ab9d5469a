using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Trains any <see cref="ITrainable"/>, with a learning rate schedule, evaluation, checkpoints and exact resume. A resumed run gives the same
/// results, bit for bit, as an uninterrupted one.
/// </summary>
/// <param name="model">The model to train. The caller keeps ownership and may use the model after the run.</param>
/// <param name="data">Training rows.</param>
/// <param name="options">Settings; the defaults if null.</param>
/// <remarks>Not thread-safe. Torch's global random generator is seeded before each step.</remarks>
public sealed class Trainer(ITrainable model, TrainingDataset data, TrainingOptions? options = null)
{
    private IReadOnlyList<ITrainerCallback> callbacks = [];

    /// <summary>The model to train.</summary>
    public ITrainable Model { get; } = model ?? throw new ArgumentNullException(nameof(model));

    /// <summary>Training rows.</summary>
    public TrainingDataset Data { get; } = data ?? throw new ArgumentNullException(nameof(data));

    /// <summary>Settings.</summary>
    public TrainingOptions Options { get; } = options ?? new();

    /// <summary>Evaluation rows; null for no evaluation.</summary>
    public TrainingDataset? Evaluation { get; init; }

    /// <summary>
    /// Computes the mean loss of a batch, a scalar with a gradient. Required if the module is not an <see cref="ILossModel"/>; otherwise it takes precedence
    /// over the module's loss.
    /// </summary>
    public Func<Batch, Tensor>? Loss { get; init; }

    /// <summary>The training objective; null for <see cref="Loss"/>, or the module's own loss. Only one of the two can be set.</summary>
    public Objective? Objective { get; init; }

    /// <summary>
    /// Metrics of an evaluation in addition to those of its dataset (<see cref="TrainingDataset.Metrics"/>): scalar means over a batch, averaged with
    /// <see cref="Batch.Weight"/>.
    /// </summary>
    public IReadOnlyDictionary<string, Func<Batch, Tensor>> Metrics { get; init; } = new Dictionary<string, Func<Batch, Tensor>>();

    /// <summary>
    /// Additional metrics of an evaluation that are not means over batches, such as F1 or a score of generated text. Called in evaluation mode, without
    /// gradients.
    /// </summary>
    public Func<CancellationToken, IReadOnlyDictionary<string, double>>? EvaluationMetrics { get; init; }

    /// <summary>Callbacks, called in order at each event.</summary>
    public IReadOnlyList<ITrainerCallback> Callbacks { get => callbacks; init => callbacks = value ?? throw new ArgumentNullException(nameof(value)); }

    /// <summary>Modifies the gradients in place, after the backward pass and before their norm is computed and clipped (LoRA-FA's correction).</summary>
    public Action<IReadOnlyList<TrainableTensor>>? GradientTransform { get; init; }

    /// <summary>Logger of the run.</summary>
    public ILogger Logger { get; init; } = NullLogger.Instance;

    /// <summary>Creates the meter <c>Peft.Training</c>; if null, the run creates its own meter.</summary>
    public IMeterFactory? MeterFactory { get; init; }

    /// <summary>Clock for durations.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Adds a callback after the others, which receives the events from now on: <c>trainer.AddCallback(new HtmlReport("out/report.html"))</c>.</summary>
    /// <param name="callback">The callback.</param>
    /// <returns>This trainer.</returns>
    public Trainer AddCallback(ITrainerCallback callback)
    {
        ArgumentNullException.ThrowIfNull(callback);
        callbacks = [.. callbacks, callback];
        return this;
    }

    /// <summary>Trains on a thread-pool thread.</summary>
    /// <param name="progress">Receives the progress after each step.</param>
    /// <param name="cancellationToken">Ends the run after the current step; see <see cref="TrainingOptions.SaveOnCancel"/>.</param>
    /// <exception cref="TrainingException">The options are invalid (the message lists all errors), or the run cannot continue.</exception>
    /// <exception cref="NotEnoughMemoryException">A step takes more than <see cref="TrainingOptions.MaxMemory"/> even with the smallest micro-batches.</exception>
    /// <exception cref="TrainingCanceledException">The token was cancelled. The exception contains the result so far, and the task's status is Canceled.</exception>
    public Task<TrainingResult> TrainAsync(IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
        => Task.Run(() => Train(progress, cancellationToken), cancellationToken);

    /// <summary>Trains on the calling thread.</summary>
    /// <inheritdoc cref="TrainAsync"/>
    public TrainingResult Train(IProgress<TrainingProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var holding = Model.BeginTraining();
        Validate();
        using var memory = CachingAllocator.Hold();
        using var run = new TrainingRun(this, progress, cancellationToken);
        return run.Run();
    }

    /// <summary>Evaluates the model in its current state.</summary>
    /// <param name="cancellationToken">Ends the evaluation after the current batch.</param>
    /// <exception cref="TrainingException">The options are invalid, or <see cref="Evaluation"/> is not set.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public EvaluationResult Evaluate(CancellationToken cancellationToken = default)
    {
        if (Evaluation is null) throw new TrainingException("There are no rows to evaluate: set the trainer's Evaluation dataset.");
        Validate(evaluateOnly: true);
        return Evaluator.Evaluate(this, step: 0, cancellationToken) ?? throw new OperationCanceledException(cancellationToken);
    }

    /// <summary>Finds the last complete checkpoint in an output folder; null if there is none.</summary>
    /// <param name="outputFolder">The <see cref="TrainingOptions.OutputFolder"/> of an earlier run; it need not exist.</param>
    public static string? FindLastCheckpoint(string outputFolder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(outputFolder);
        return CheckpointFolder.All(outputFolder) is [.., var last] ? last.Path : null;
    }

    private IReadOnlyList<DatasetMetric> DatasetMetrics => Model.Module is IOutputModel ? Evaluation?.Metrics ?? [] : [];

    /// <summary>True if larger values of the best metric are better; null if unknown.</summary>
    internal bool? GreaterIsBetter => Options.GreaterIsBetter ?? (Options.BestMetric == "loss" ? false : DatasetMetrics.FirstOrDefault(metric => metric.Name == Options.BestMetric)?.GreaterIsBetter);

    /// <summary>The training objective, without the method's penalty.</summary>
    internal Objective Goal => goal ??= Objective ?? (Loss is { } loss ? new DelegateObjective(loss) : new ModelObjective((ILossModel)Model.Module));

    private Objective? goal;

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

    private IEnumerable<string> MemoryErrors(long bound)
    {
        if (Model.Trainables.Count > 0 && Model.Trainables[0].Value.device_type != TorchSharp.DeviceType.CPU)
            yield return "MaxMemory limits the memory of training on the CPU, but the model is on another device: use a smaller BatchSize with GradientAccumulation, and leave MaxMemory null.";
        MemoryMeter.Trim();
        if (MemoryMeter.Resident is var used && used >= bound)
            yield return $"MaxMemory is {MemoryBudget.Text(bound)}, but the process uses {MemoryBudget.Text(used)} before training starts: raise it, or load a smaller or quantized model.";
    }

    private void Validate(bool evaluateOnly = false)
    {
        List<string> errors = [.. NullValues.Errors(Options)];
        if (errors.Count == 0) errors.AddRange(Options.Errors());
        if (Model.Trainables.Count == 0) errors.Add(Model is PeftModel peft ? peft.NothingTrainable : "The model has no trainable tensor: unfreeze the parameters to train.");
        if (Data.Count == 0) errors.Add($"The dataset {Data.Name} has no rows.");
        if (Evaluation?.Count == 0) errors.Add($"The evaluation dataset {Evaluation.Name} has no rows.");
        if (Options.GroupByLength) errors.AddRange(new[] { evaluateOnly ? null : Data, Evaluation }.Select(LengthError).OfType<string>());
        if (Options.MaxMemory is > 0 and var bound && !evaluateOnly) errors.AddRange(MemoryErrors(bound));
        if (Objective is not null && Loss is not null) errors.Add("Both Objective and Loss are set: set one of them.");
        if (Objective is not null) errors.AddRange(Objective.Errors(Model, Options));
        if (Options.Restarts is not null && !evaluateOnly) errors.AddRange(Model is PeftModel restarting ? restarting.RestartErrors() : [$"Restarts are for LoRA adapters, but the trained model is a {Model.GetType().Name}: leave Restarts null."]);
        if (Options.Restarts is not null && Objective is not null) errors.Add("Restarts change the base weights, to which an Objective may compare the model: set only one of them.");
        if (Objective is null && Loss is null && Model.Module is not ILossModel)
            errors.Add($"{Model.Module.GetType().Name} is not an ILossModel and the trainer's Loss is not set: set Loss to a function that returns the mean loss of a batch.");
        if (Evaluation is null)
        {
            if (Options.LoadBestAtEnd) errors.Add("LoadBestAtEnd requires the trainer's Evaluation dataset, which is not set.");
            if (Options.EarlyStoppingPatience is { } patience) errors.Add($"EarlyStoppingPatience is {patience}, but the trainer's Evaluation dataset is not set.");
            if (Options.EvaluateEverySteps is { } steps) errors.Add($"EvaluateEverySteps is {steps}, but the trainer's Evaluation dataset is not set.");
        }
        foreach (var data in evaluateOnly ? [] : new[] { Data }.Append(Evaluation).OfType<TrainingDataset>().Distinct()) errors.AddRange(data.Errors(Model.Module));
        if (evaluateOnly) errors.AddRange(Evaluation!.Errors(Model.Module));
        var known = Metrics.Keys.Concat(DatasetMetrics.Select(metric => metric.Name)).Prepend("loss").ToList();
        if (EvaluationMetrics is null && Objective is null && !known.Contains(Options.BestMetric)) errors.Add($"BestMetric is '{Options.BestMetric}', but there is no such metric. Known: {string.Join(", ", known)}.");
        else if (GreaterIsBetter is null) errors.Add($"BestMetric is '{Options.BestMetric}', but it is unknown whether larger values are better: set GreaterIsBetter.");
        if (!evaluateOnly && Options is { ResumeFrom: null, OutputFolder: { } folder } && FindLastCheckpoint(folder) is { } last)
            errors.Add($"OutputFolder {folder} contains checkpoints of another run, the last of which is {last}: set ResumeFrom to resume from it, or choose another folder.");
        if (errors.Count > 0) throw new TrainingException($"The {(evaluateOnly ? "evaluation" : "training")} cannot start. " + string.Join(' ', errors));
    }
}
