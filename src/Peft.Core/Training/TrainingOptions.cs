namespace Peft;

/// <summary>Settings of a <see cref="Trainer"/>. Unless stated otherwise, the defaults are those of Hugging Face's <c>TrainingArguments</c>.</summary>
[TypeFormatterSource(typeof(TrainingOptionsDisplay))]
public sealed record TrainingOptions
{
    /// <summary>Number of epochs. 3 by default. Ignored if <see cref="MaxSteps"/> is set.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Total number of optimizer steps, over as many epochs as needed; null to use <see cref="Epochs"/>.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Number of rows per batch. 8 by default.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Number of rows per evaluation batch. 8 by default.</summary>
    public int EvaluationBatchSize { get; init; } = 8;

    /// <summary>Number of batches whose gradients are accumulated for one optimizer step, weighted so that they equal one large batch. 1 by default.</summary>
    public int GradientAccumulation { get; init; } = 1;

    /// <summary>
    /// Number of parts into which the rows of a CPU batch are divided, to run concurrently, if the model supports it
    /// (<see cref="ILossModel.Divide"/>) and does not draw random values in training. Null uses the number of torch threads, or 1 if each part would fold adapters into more than 64 MB of weights. 1 disables it, which is
    /// necessary if your own hooks on the model are not thread-safe. The gradients do not depend on the number, except for rounding.
    /// </summary>
    public int? ParallelParts { get; init; }

    /// <summary>
    /// Bound on the resident memory of the process during the forward and backward passes of a training step, in bytes; null for none. The batches of a step then run as consecutive micro-batches of
    /// complete rows, weighted so that their gradients equal those of the full batches except for rounding; dropout draws other values. The first steps use small micro-batches to measure the memory per position.
    /// </summary>
    /// <remarks>
    /// Optimizer states in files (<see cref="AdamWOptions.Paged"/>) do not count on Linux: their pages are released before each step. For models on the CPU, and batches that the model or objective can divide (<see cref="ILossModel.Divide"/>). Generation for an objective, evaluations and checkpoints are not divided;
    /// <see cref="EvaluationBatchSize"/> limits the memory of evaluations. The sizes follow from measurements, so two runs may differ in rounding. A checkpoint contains the size, with which a resumed run continues.
    /// </remarks>
    public long? MaxMemory { get; init; }

    /// <summary>Learning rate before the schedule; null for the model's recommendation (<see cref="ITrainable.RecommendedLearningRate"/>).</summary>
    public double? LearningRate { get; init; }

    /// <summary>Learning rate schedule. Linear to 0 by default.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Linear;

    /// <summary>Restarts of LoRA, which merge it into the base weights every few steps (ReLoRA); null for none.</summary>
    public RestartOptions? Restarts { get; init; }

    /// <summary>Number of steps over which the learning rate rises from 0. 0 by default.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Warmup as a fraction of all steps, in [0, 1], rounded up; used if <see cref="WarmupSteps"/> is 0. 0 by default.</summary>
    public double WarmupRatio { get; init; }

    /// <summary>Maximum norm of the gradient of all tensors together, for gradient clipping; null for no clipping. 1 by default.</summary>
    public double? MaxGradientNorm { get; init; } = 1;

    /// <summary>The optimizer and its settings: AdamW by default.</summary>
    public FlatOptimizerOptions Optimizer { get; init; } = new AdamWOptions();

    /// <summary>
    /// Seed of the data order and of dropout. 42 by default. The seed of an adapter's initial values is <see cref="AdapterOptions.InitializationSeed"/>, also
    /// 42. Torch's global random generator is seeded from this seed and the step number before each step, so that evaluations and saves between steps change
    /// nothing.
    /// </summary>
    public int Seed { get; init; } = 42;

    /// <summary>True to shuffle the rows in each epoch. True by default.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>
    /// True to batch rows of similar length, which saves padding. False by default. The datasets must know the lengths of their rows
    /// (<see cref="TrainingDataset.LengthOf"/>).
    /// </summary>
    public bool GroupByLength { get; init; }

    /// <summary>Number of steps between evaluations; null for one per epoch. Requires <see cref="Trainer.Evaluation"/>.</summary>
    public int? EvaluateEverySteps { get; init; }

    /// <summary>The metric that determines the best evaluation: <c>loss</c> or the name of a metric. <c>loss</c> by default.</summary>
    public string BestMetric { get; init; } = "loss";

    /// <summary>
    /// True if larger values of <see cref="BestMetric"/> are better. Null if this is known, as for the loss and the metrics of the evaluation dataset
    /// (<see cref="TrainingDataset.Metrics"/>). Required for other metrics.
    /// </summary>
    public bool? GreaterIsBetter { get; init; }

    /// <summary>Number of evaluations without improvement after which the run stops; null to never stop early.</summary>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>Minimum improvement of the metric that counts for early stopping. 0 by default.</summary>
    public double EarlyStoppingThreshold { get; init; }

    /// <summary>True to restore the parameters of the best evaluation at the end. False by default.</summary>
    public bool LoadBestAtEnd { get; init; }

    /// <summary>Folder for checkpoints; null for none. A new run throws if the folder already contains checkpoints.</summary>
    public string? OutputFolder { get; init; }

    /// <summary>Number of steps between checkpoints; null for one per epoch.</summary>
    public int? SaveEverySteps { get; init; }

    /// <summary>Number of latest checkpoints to keep, in addition to the best one; null for all. 2 by default.</summary>
    public int? KeepCheckpoints { get; init; } = 2;

    /// <summary>True to write a checkpoint after the last step of a cancelled run. True by default; requires <see cref="OutputFolder"/>.</summary>
    public bool SaveOnCancel { get; init; } = true;

    /// <summary>Checkpoint folder from which to resume, such as the result of <see cref="Trainer.FindLastCheckpoint"/>; null for a new run.</summary>
    public string? ResumeFrom { get; init; }

    /// <summary>Handling of a loss or gradient that is NaN or infinite. Throw by default.</summary>
    public NonFinitePolicy NonFinite { get; init; } = NonFinitePolicy.Throw;

    /// <summary>Maximum number of skipped steps before the run ends with an exception. 10 by default.</summary>
    public int MaxSkippedSteps { get; init; } = 10;

    /// <summary>Handling of trainable tensors that receive no gradient in the first step. Throw by default.</summary>
    public MissingGradientPolicy MissingGradients { get; init; } = MissingGradientPolicy.Throw;

    /// <summary>Number of steps between entries of the logger, TensorBoard and the JSON Lines file. 10 by default.</summary>
    public int LogEverySteps { get; init; } = 10;

    /// <summary>Folder for TensorBoard event files; null for none.</summary>
    public string? TensorBoardFolder { get; init; }

    /// <summary>JSON Lines file with one line per logged step and evaluation; null for none. A resumed run appends to it.</summary>
    public string? JsonLogFile { get; init; }

    internal IReadOnlyList<string> Errors()
    {
        var errors = new List<string>();
        void AtLeast(int? value, int minimum, string name)
        {
            if (value < minimum) errors.Add($"{name} must be at least {minimum}, but was {value}.");
        }
        void Check(bool holds, string error)
        {
            if (!holds) errors.Add(error);
        }
        if (MaxSteps is null) AtLeast(Epochs, 1, nameof(Epochs));
        AtLeast(MaxSteps, 1, nameof(MaxSteps));
        AtLeast(BatchSize, 1, nameof(BatchSize));
        AtLeast(EvaluationBatchSize, 1, nameof(EvaluationBatchSize));
        AtLeast(GradientAccumulation, 1, nameof(GradientAccumulation));
        AtLeast(ParallelParts, 1, nameof(ParallelParts));
        AtLeast(WarmupSteps, 0, nameof(WarmupSteps));
        AtLeast(EvaluateEverySteps, 1, nameof(EvaluateEverySteps));
        AtLeast(SaveEverySteps, 1, nameof(SaveEverySteps));
        AtLeast(KeepCheckpoints, 1, nameof(KeepCheckpoints));
        AtLeast(EarlyStoppingPatience, 1, nameof(EarlyStoppingPatience));
        AtLeast(LogEverySteps, 1, nameof(LogEverySteps));
        AtLeast(MaxSkippedSteps, 0, nameof(MaxSkippedSteps));
        Check(MaxMemory is null or > 0, $"MaxMemory must be above 0 bytes (null for no bound), but was {MaxMemory}.");
        Check(LearningRate is null || (LearningRate > 0 && double.IsFinite(LearningRate.Value)), $"LearningRate must be above 0, but was {LearningRate}.");
        Check(WarmupRatio is >= 0 and <= 1, $"WarmupRatio must be in [0, 1], but was {WarmupRatio}.");
        Check(MaxGradientNorm is null or > 0, $"MaxGradientNorm must be above 0 (null disables clipping), but was {MaxGradientNorm}.");
        Check(EarlyStoppingThreshold >= 0, $"EarlyStoppingThreshold must be at least 0, but was {EarlyStoppingThreshold}.");
        Check(!string.IsNullOrWhiteSpace(BestMetric), "BestMetric must be 'loss' or the name of a metric, but was empty.");
        Check(SaveEverySteps is null || OutputFolder is not null, $"SaveEverySteps is {SaveEverySteps}, but OutputFolder is not set.");
        errors.AddRange(Schedule.Errors());
        errors.AddRange(Restarts?.Errors() ?? []);
        Check(Restarts is null || Optimizer is AdamWOptions, $"Restarts prune the moments of AdamW, but Optimizer is {Optimizer.GetType().Name}: use AdamWOptions, or leave Restarts null.");
        string[] nulls = [.. NullValues.Errors(Optimizer)];
        errors.AddRange(nulls.Length > 0 ? nulls : Optimizer.Errors());
        return errors;
    }
}
