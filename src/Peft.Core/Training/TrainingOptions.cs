namespace Peft;

/// <summary>What to do with a loss or gradient that is NaN or infinite.</summary>
public enum NonFinitePolicy
{
    /// <summary>End the run with an exception that names the step, the batch and the first bad tensor.</summary>
    Throw,

    /// <summary>Leave the parameters as they are and go on, up to <see cref="TrainingOptions.MaxSkippedSteps"/> times.</summary>
    SkipStep,
}

/// <summary>What to do when a trainable tensor got no gradient in the first step.</summary>
public enum MissingGradientPolicy
{
    /// <summary>End the run with an exception that names the tensors.</summary>
    Throw,

    /// <summary>Log a warning that names the tensors.</summary>
    Warn,

    /// <summary>Say nothing: the model uses its parts by turns.</summary>
    Ignore,
}

/// <summary>Settings of a <see cref="Trainer"/>. Where nothing else is said, the defaults are those of Hugging Face's <c>TrainingArguments</c>.</summary>
public sealed record TrainingOptions
{
    /// <summary>Passes over the dataset. 3. Without effect if <see cref="MaxSteps"/> is given.</summary>
    public int Epochs { get; init; } = 3;

    /// <summary>Optimizer steps of the whole run, however many passes that takes; null for <see cref="Epochs"/>.</summary>
    public int? MaxSteps { get; init; }

    /// <summary>Rows of a batch. 8.</summary>
    public int BatchSize { get; init; } = 8;

    /// <summary>Rows of an evaluation batch. 8.</summary>
    public int EvaluationBatchSize { get; init; } = 8;

    /// <summary>Batches whose gradients are added up for one optimizer step, weighted so that they equal one large batch. 1.</summary>
    public int GradientAccumulation { get; init; } = 1;

    /// <summary>
    /// Parts into which the rows of a batch are divided to run at the same time on the CPU, where the model can
    /// (<see cref="ILossModel.Divide"/>) and draws no random numbers in training. Null for as many as torch has threads, 1 for none, which is to be
    /// chosen where hooks of your own on the model cannot run at the same time. Another number gives the same gradients up to rounding.
    /// </summary>
    public int? ParallelParts { get; init; }

    /// <summary>Learning rate before the schedule; null for what the model recommends (<see cref="ITrainable.RecommendedLearningRate"/>).</summary>
    public double? LearningRate { get; init; }

    /// <summary>How the learning rate changes over the run. Linear to 0.</summary>
    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Linear;

    /// <summary>Steps over which the learning rate rises from 0. 0.</summary>
    public int WarmupSteps { get; init; }

    /// <summary>Warmup as a part of all steps, in [0, 1], rounded up; used if <see cref="WarmupSteps"/> is 0. 0.</summary>
    public double WarmupRatio { get; init; }

    /// <summary>Norm to which the gradient of all tensors together is clipped; null for no clipping. 1.</summary>
    public double? MaxGradientNorm { get; init; } = 1;

    /// <summary>Settings of AdamW.</summary>
    public AdamWOptions Optimizer { get; init; } = new();

    /// <summary>
    /// Where data order and dropout come from. 42. How adapters start comes from <see cref="AdapterOptions.InitializationSeed"/>, 42 too. The global random state is set from it and the step number before each step, so that
    /// evaluating or saving in between changes nothing.
    /// </summary>
    public int Seed { get; init; } = 42;

    /// <summary>Whether each epoch has an order of its own. True.</summary>
    public bool Shuffle { get; init; } = true;

    /// <summary>Whether rows of similar length share a batch, which saves padding. False. The datasets must know the lengths of their rows (<see cref="TrainingDataset.LengthOf"/>).</summary>
    public bool GroupByLength { get; init; }

    /// <summary>Steps between evaluations; null for once per epoch. Needs <see cref="Trainer.Evaluation"/>.</summary>
    public int? EvaluateEverySteps { get; init; }

    /// <summary>Which value of an evaluation decides what is best: <c>loss</c> or the name of a metric. <c>loss</c>.</summary>
    public string BestMetric { get; init; } = "loss";

    /// <summary>
    /// Whether a larger <see cref="BestMetric"/> is better; null where that is known, for the loss and what the evaluation dataset measures
    /// (<see cref="TrainingDataset.Metrics"/>). Must be given for other metrics.
    /// </summary>
    public bool? GreaterIsBetter { get; init; }

    /// <summary>Evaluations without improvement after which the run stops; null for never.</summary>
    public int? EarlyStoppingPatience { get; init; }

    /// <summary>How much the metric must improve to count for early stopping. 0.</summary>
    public double EarlyStoppingThreshold { get; init; }

    /// <summary>Whether the parameters of the best evaluation are put back at the end. False.</summary>
    public bool LoadBestAtEnd { get; init; }

    /// <summary>Folder of the checkpoints; null for none. A new run refuses a folder that holds checkpoints.</summary>
    public string? OutputFolder { get; init; }

    /// <summary>Steps between checkpoints; null for one per epoch.</summary>
    public int? SaveEverySteps { get; init; }

    /// <summary>How many of the last checkpoints to keep, the best one apart; null for all. 2.</summary>
    public int? KeepCheckpoints { get; init; } = 2;

    /// <summary>Whether a cancelled run writes a checkpoint of the step it stopped after. True; needs <see cref="OutputFolder"/>.</summary>
    public bool SaveOnCancel { get; init; } = true;

    /// <summary>Checkpoint folder to go on from, such as <see cref="Trainer.FindLastCheckpoint"/> gives; null for a new run.</summary>
    public string? ResumeFrom { get; init; }

    /// <summary>What to do with a loss or gradient that is NaN or infinite. Throw.</summary>
    public NonFinitePolicy NonFinite { get; init; } = NonFinitePolicy.Throw;

    /// <summary>Skipped steps of the whole run that are borne before it ends with an exception. 10.</summary>
    public int MaxSkippedSteps { get; init; } = 10;

    /// <summary>What to do when a trainable tensor got no gradient in the first step. Throw.</summary>
    public MissingGradientPolicy MissingGradients { get; init; } = MissingGradientPolicy.Throw;

    /// <summary>Steps between lines of the logger, TensorBoard and the JSON Lines file. 10.</summary>
    public int LogEverySteps { get; init; } = 10;

    /// <summary>Folder of TensorBoard event files; null for none.</summary>
    public string? TensorBoardFolder { get; init; }

    /// <summary>File that gets a line of JSON per logged step and evaluation; null for none. A resumed run goes on in it.</summary>
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
        Check(LearningRate is null || (LearningRate > 0 && double.IsFinite(LearningRate.Value)), $"LearningRate must be above 0, but was {LearningRate}.");
        Check(WarmupRatio is >= 0 and <= 1, $"WarmupRatio must be in [0, 1], but was {WarmupRatio}.");
        Check(MaxGradientNorm is null or > 0, $"MaxGradientNorm must be above 0 (null turns clipping off), but was {MaxGradientNorm}.");
        Check(EarlyStoppingThreshold >= 0, $"EarlyStoppingThreshold must be at least 0, but was {EarlyStoppingThreshold}.");
        Check(!string.IsNullOrWhiteSpace(BestMetric), "BestMetric must be 'loss' or the name of a metric, but was empty.");
        Check(SaveEverySteps is null || OutputFolder is not null, $"SaveEverySteps is {SaveEverySteps}, but there is no OutputFolder to save to.");
        errors.AddRange(Schedule.Errors());
        errors.AddRange(Optimizer.Errors());
        return errors;
    }
}
