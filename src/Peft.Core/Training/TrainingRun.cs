using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>One run of a trainer, from its first step or a checkpoint to its end.</summary>
internal sealed class TrainingRun : IDisposable
{
    // The heap keeps what steps have freed, in pieces that later steps do not fill. To return it costs page faults in the next step, which can take as long as a step on a virtual machine.
    private static readonly TimeSpan LongStep = TimeSpan.FromSeconds(1);
    private const int StepsPerReturn = 32;   // without a bound of the memory

    private readonly Trainer trainer;
    private readonly TrainingOptions options;
    private readonly IProgress<TrainingProgress>? progress;
    private readonly CancellationToken cancellationToken;
    private readonly ModuleModes modes;
    private readonly FlatParameters parameters;
    private readonly FlatOptimizer optimizer;
    private readonly IDisposable? restarts;
    private readonly TrainingMeter meter;
    private readonly MemoryMeter memory;
    private readonly YoungObjects young = new();
    private readonly RunLog? log;
    private readonly TrainerControl control;
    private readonly RunState state;
    private readonly int stepsPerEpoch;
    private readonly int totalSteps;
    private readonly int warmupSteps;
    private readonly long started;
    private IReadOnlyList<int[]> epochBatches = [];
    private int loadedEpoch = -1;
    private readonly Dictionary<string, Tensor> bestTensors = [];
    private string? lastCheckpoint;
    private TimeSpan stepTime;
    private long tokens;

    public TrainingRun(Trainer trainer, IProgress<TrainingProgress>? progress, CancellationToken cancellationToken)
    {
        this.trainer = trainer;
        this.progress = progress;
        this.cancellationToken = cancellationToken;
        options = trainer.Options;
        started = trainer.Time.GetTimestamp();
        parameters = new(trainer.Model.Trainables, options.Optimizer.Groups) { ReturnsMemory = options.MaxMemory is not null };
        try
        {
            optimizer = options.Optimizer.Create(parameters, options.LearningRate ?? trainer.Model.RecommendedLearningRate);
        }
        catch
        {
            parameters.Dispose();
            throw;
        }
        meter = new(trainer.MeterFactory);
        modes = new(trainer.Model.Module);
        memory = new(trims: options.MaxMemory is not null);   // the last before the try block, since it starts a thread
        try
        {
            var batchesPerEpoch = DivideUp(trainer.Data.Count, options.BatchSize);
            stepsPerEpoch = checked(DivideUp(batchesPerEpoch, options.GradientAccumulation) * trainer.Goal.StepsPerBatch);
            totalSteps = options.MaxSteps ?? checked(options.Epochs * stepsPerEpoch);
            warmupSteps = options.WarmupSteps > 0 ? options.WarmupSteps : (int)Math.Ceiling(options.WarmupRatio * totalSteps);
            control = new(trainer, totalSteps);
            if (options.OutputFolder is { } folder) CheckpointFolder.Prepare(folder);
            if (options.Restarts is not null) restarts = ((PeftModel)trainer.Model).BeginRestarts();
            state = Start();
            if (options.Restarts is { } settings && settings.Every <= state.Step && settings.Every < totalSteps) ((PeftModel)trainer.Model).ResumeRestarted();
            log = new(options, trainer.Logger, options.ResumeFrom is null ? null : state.Step);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public TrainingResult Run()
    {
        trainer.Model.Module.train(trainer.Goal.UsesDropout);
        TrainingLog.Started(trainer.Logger, parameters.Tensors.Count, parameters.Buffers.Sum(buffer => buffer.Slices.Sum(slice => slice.Length)),
            totalSteps, options.BatchSize * options.GradientAccumulation, state.Step, optimizer.LearningRate);
        foreach (var warning in trainer.Model.Warnings.Concat(trainer.Data.Warnings).Concat(trainer.Goal.Warnings(trainer.Model, options, trainer.Data))) TrainingLog.Warning(trainer.Logger, warning);
        foreach (var callback in trainer.Callbacks) callback.OnTrainBegin(control);
        using var step = new TrainingStep(trainer, parameters, optimizer, memory, state.Division);
        if (state.EvaluationDue) Evaluate();
        StopReason? reason = Reason();
        while (reason is null && state.Step < totalSteps)
        {
            if (Step(step) is not { } done)
            {
                reason = StopReason.Cancelled;
                if (options is { SaveOnCancel: true, OutputFolder: { } folder } && lastCheckpoint != CheckpointFolder.PathOf(folder, state.Step)) Save(folder);
                break;
            }
            var improved = AfterStep(done);
            reason = Reason();
            SaveIfDue(improved, reason);
        }
        var ended = reason ?? StopReason.Completed;
        var hasBest = options.LoadBestAtEnd && ended != StopReason.Cancelled && LoadBest();
        if (!hasBest) optimizer.Finish();
        TrainingLog.Ended(trainer.Logger, state.Step, ended);
        var result = Result(ended);
        if (ended == StopReason.Cancelled) throw new TrainingCanceledException(result, cancellationToken);
        foreach (var callback in trainer.Callbacks) callback.OnTrainEnd(result);
        return result;
    }

    public void Dispose()
    {
        restarts?.Dispose();
        modes.Dispose();
        optimizer.Dispose();
        parameters.Dispose();
        meter.Dispose();
        memory.Dispose();
        log?.Dispose();
        ForgetBest();
    }

    private RunState Start()
    {
        var order = new DataOrder(trainer.Data.Count, options.BatchSize, options.GradientAccumulation, options.Seed, options.Shuffle, options.GroupByLength, trainer.Goal.StepsPerBatch);
        if (options.ResumeFrom is not { } folder) return new() { Order = order, Division = Division(null) };
        var loaded = RunState.Load(folder, trainer.Model, optimizer, trainer.Goal);
        lastCheckpoint = folder;
        loaded.Division = Division(loaded.Division);
        return loaded.Order == order
            ? loaded
            : throw new TrainingException($"The run of {folder} cannot be resumed with other data or settings. It used {loaded.Order}, but the current settings are {order}.");
    }

    // A bound that differs from that of the checkpoint requires another division.
    private MemoryDivision? Division(MemoryDivision? before)
        => options.MaxMemory is not { } bound ? null : before?.Bound == bound ? before : new() { Bound = bound };

    // Null if the step was cancelled, in which case nothing has changed.
    private TrainingProgress? Step(TrainingStep step)
    {
        var start = trainer.Time.GetTimestamp();
        memory.Enter(TrainingPhase.Training);
        var rows = RowsOf(state.Step);
        var factor = options.Schedule.Factor(state.Step, warmupSteps, totalSteps) * (options.Restarts?.Factor(state.Step) ?? 1);
        if (step.Run(state.Step, loadedEpoch, rows, factor, cancellationToken) is not { } outcome) return null;
        if (outcome.Skipped && ++state.SkippedSteps > options.MaxSkippedSteps)
            throw new TrainingException($"{state.SkippedSteps} steps had a non-finite loss or gradient, more than MaxSkippedSteps ({options.MaxSkippedSteps}).", step.NotFinite(state.Step, rows, outcome));
        state.Step++;
        state.Losses.Add(outcome.Loss);
        if (outcome.Skipped) TrainingLog.Warning(trainer.Logger, $"Step {state.Step} was skipped: loss {outcome.Loss}, gradient norm {outcome.GradientNorm}.");
        else AfterUpdate();
        parameters.ZeroGradients();
        if (options.Restarts is { } restart && restart.IsDue(state.Step, totalSteps)) Restart(restart);
        var elapsed = trainer.Time.GetElapsedTime(start);
        if (elapsed > LongStep && TorchRuntime.Cpu.MemoryReturn && (options.MaxMemory is not null || state.Step % StepsPerReturn == 0)) MemoryMeter.Trim();
        if (TorchRuntime.Cpu.MemoryReturn) young.Collect();
        stepTime += elapsed;
        tokens += outcome.Tokens;
        return new(state.Step, totalSteps, (double)state.Step / stepsPerEpoch, outcome.Loss, outcome.GradientNorm, factor * optimizer.LearningRate,
            outcome.Tokens, elapsed, state.Evaluations is [.., var last] ? last : null)
        {
            Metrics = outcome.Metrics,
            Samples = outcome.Samples,
        };
    }

    // Called before the gradients are zeroed, since methods that prune by importance read them.
    private void AfterUpdate()
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        trainer.Model.AfterStep(state.Step, totalSteps);
        trainer.Goal.AfterStep(state.Step);
    }

    private void Restart(RestartOptions settings)
    {
        var model = (PeftModel)trainer.Model;
        var restarted = model.RestartedNames;
        manual_seed((long)SplitMix64.Mix(options.Seed, -state.Step));   // steps are never negative
        model.Restart();
        ((FlatAdamW)optimizer).Prune(restarted, settings.PrunedMoments);
    }

    private IReadOnlyList<int[]> RowsOf(int step)
    {
        var (epoch, position) = Math.DivRem(step, stepsPerEpoch);
        if (epoch != loadedEpoch)
        {
            epochBatches = trainer.Data.Batches(options.BatchSize, options.Shuffle ? options.Seed : null, epoch, options.GroupByLength);
            loadedEpoch = epoch;
        }
        var start = position / trainer.Goal.StepsPerBatch * options.GradientAccumulation;
        return [.. epochBatches.Skip(start).Take(options.GradientAccumulation)];
    }

    /// <summary>Reports a step, and evaluates if an evaluation is due.</summary>
    /// <returns>True if the evaluation was the best so far.</returns>
    private bool AfterStep(TrainingProgress step)
    {
        meter.Record(step);
        log!.Add(step);
        if (step.Step == 1 || step.Step == totalSteps || step.Step % options.LogEverySteps == 0) log.Step(step);
        progress?.Report(step);
        foreach (var callback in trainer.Callbacks) callback.OnStepEnd(step, control);
        if (EndsEpoch)
        {
            foreach (var callback in trainer.Callbacks) callback.OnEpochEnd(state.Step / stepsPerEpoch, control);
        }
        if (control.EvaluationRequested && trainer.Evaluation is null)
            throw new TrainingException("A callback requested an evaluation, but the trainer's Evaluation dataset is not set.");
        var regular = options.EvaluateEverySteps is { } steps ? state.Step % steps == 0 : EndsEpoch;
        if (trainer.Evaluation is null || !(regular || control.EvaluationRequested || state.Step == totalSteps)) return false;
        control.EvaluationRequested = false;
        return Evaluate();
    }

    private bool Evaluate()
    {
        memory.Enter(TrainingPhase.Evaluation);
        using var values = optimizer.BeginEvaluation();
        var evaluation = Evaluator.Evaluate(trainer, state.Step, cancellationToken);
        state.EvaluationDue = evaluation is null;
        if (evaluation is null) return false;
        log!.Evaluated(evaluation);
        state.Evaluations.Add(evaluation);
        var improved = Judge(evaluation);
        foreach (var callback in trainer.Callbacks) callback.OnEvaluated(evaluation, control);
        return improved;
    }

    private bool Judge(EvaluationResult evaluation)
    {
        var gain = state.Best is null ? double.PositiveInfinity : Gain(Metric(evaluation), Metric(state.Best));
        state.Stalled = gain > options.EarlyStoppingThreshold ? 0 : state.Stalled + 1;
        if (!(gain > 0)) return false;
        state.Best = evaluation;
        if (options is { LoadBestAtEnd: true, OutputFolder: null }) RememberBest();
        return true;
    }

    // NaN is never better, and any number is better than NaN.
    private double Gain(double value, double best)
        => double.IsNaN(value) ? 0 : double.IsNaN(best) ? double.PositiveInfinity : trainer.GreaterIsBetter == true ? value - best : best - value;

    private double Metric(EvaluationResult evaluation)
        => options.BestMetric == "loss" ? evaluation.Loss
            : evaluation.Metrics.TryGetValue(options.BestMetric, out var value) ? value
            : throw new TrainingException($"BestMetric is '{options.BestMetric}', but the evaluation returned only {string.Join(", ", evaluation.Metrics.Keys.Prepend("loss"))}.");

    private StopReason? Reason()
        => cancellationToken.IsCancellationRequested && (state.Step < totalSteps || state.EvaluationDue) ? StopReason.Cancelled
            : control.StopRequested ? StopReason.Callback
            : state.Stalled >= (options.EarlyStoppingPatience ?? int.MaxValue) ? StopReason.EarlyStopping
            : null;

    private void SaveIfDue(bool improved, StopReason? reason)
    {
        if (options.OutputFolder is not { } folder)
        {
            if (control.SaveRequested) throw new TrainingException("A callback requested a checkpoint, but OutputFolder is not set.");
            return;
        }
        var regular = options.SaveEverySteps is { } steps ? state.Step % steps == 0 : EndsEpoch;
        var last = reason is null ? state.Step == totalSteps : reason != StopReason.Cancelled || options.SaveOnCancel;
        if (!(regular || last || improved || control.SaveRequested)) return;
        control.SaveRequested = false;
        Save(folder);
    }

    private void Save(string folder)
    {
        memory.Enter(TrainingPhase.Saving);
        lastCheckpoint = CheckpointFolder.Write(folder, state.Step, path =>
        {
            // With restarts, the adapter alone would lack the merged updates. The state below contains everything.
            if (options.Restarts is null)
                using (optimizer.BeginEvaluation()) trainer.Model.Save(path);
            state.Save(path, trainer.Model, optimizer, trainer.Goal);
        });
        if (options.KeepCheckpoints is { } keep) CheckpointFolder.Prune(folder, keep, BestCheckpoint());
        TrainingLog.Saved(trainer.Logger, lastCheckpoint);
        foreach (var callback in trainer.Callbacks) callback.OnSaved(lastCheckpoint, control);
    }

    private bool EndsEpoch => state.Step % stepsPerEpoch == 0;

    // The best checkpoint of a resumed run may be in the folder of the checkpoint from which it was resumed.
    private string? BestCheckpoint()
        => state.Best is not { Step: var step }
            ? null
            : new[] { options.OutputFolder, Path.GetDirectoryName(Path.TrimEndingDirectorySeparator(options.ResumeFrom ?? "")) }
                .Where(folder => !string.IsNullOrEmpty(folder))
                .Select(folder => CheckpointFolder.PathOf(folder!, step))
                .FirstOrDefault(Directory.Exists);

    private void RememberBest()
    {
        using var _ = no_grad();
        ForgetBest();
        foreach (var (name, value) in RunState.ModelTensors(trainer.Model)) bestTensors[name] = value.detach().clone().DetachFromDisposeScope();
    }

    private void ForgetBest()
    {
        foreach (var tensor in bestTensors.Values) tensor.Dispose();
        bestTensors.Clear();
    }

    /// <summary>Restores the parameters of the best evaluation. Returns false if the parameters are those that the optimizer trains instead of those to save.</summary>
    private bool LoadBest()
    {
        if (bestTensors.Count > 0)
        {
            using var scope = NewDisposeScope();
            using var _ = no_grad();
            foreach (var (name, value) in RunState.ModelTensors(trainer.Model)) value.copy_(bestTensors[name]);
            return true;
        }
        if (BestCheckpoint() is { } folder) RunState.Load(folder, trainer.Model, optimizer);
        else TrainingLog.Warning(trainer.Logger, $"The parameters remain those of step {state.Step}: the checkpoint of the best evaluation, at step {state.Best?.Step}, does not exist.");
        return false;
    }

    private TrainingResult Result(StopReason reason) => new()
    {
        StopReason = reason,
        Steps = state.Step,
        SkippedSteps = state.SkippedSteps,
        Losses = state.Losses,
        Evaluations = state.Evaluations,
        Best = state.Best,
        BestCheckpoint = BestCheckpoint(),
        LastCheckpoint = lastCheckpoint,
        Memory = memory.Peaks,
        Elapsed = trainer.Time.GetElapsedTime(started),
        Tokens = tokens,
        TokensPerSecond = stepTime > TimeSpan.Zero ? tokens / stepTime.TotalSeconds : 0,
    };

    private static int DivideUp(int value, int divisor) => value / divisor + (value % divisor > 0 ? 1 : 0);
}
