namespace Peft.Cli;

/// <summary>The options of a training run.</summary>
internal sealed class RunFlags
{
    // Options whose value goes into a property of TrainingOptions.
    private readonly IReadOnlyList<(Option<string> Option, string Property)> settings = Settable();

    private static IReadOnlyList<(Option<string> Option, string Property)> Settable() =>
    [
        (Setting("--epochs", "int", "Number of epochs (3)."), nameof(TrainingOptions.Epochs)),
        (Setting("--max-steps", "int", "Number of steps of the whole run, instead of epochs."), nameof(TrainingOptions.MaxSteps)),
        (Setting("--batch-size", "int", "Rows of a batch (8)."), nameof(TrainingOptions.BatchSize)),
        (Setting("--gradient-accumulation", "int", "Batches of a step (1)."), nameof(TrainingOptions.GradientAccumulation)),
        (Setting("--learning-rate", "number", "Learning rate (that of the method's authors).", "--lr"), nameof(TrainingOptions.LearningRate)),
        (Setting("--schedule", "name", "Schedule of the learning rate: linear, constant, cosine, … (linear)."), nameof(TrainingOptions.Schedule)),
        (Setting("--warmup-ratio", "0…1", "Warmup as a fraction of all steps (0)."), nameof(TrainingOptions.WarmupRatio)),
        (Setting("--optimizer", "name", "adamw, adamw_8bit, lion, muon, adafactor, … (adamw)."), nameof(TrainingOptions.Optimizer)),
        (Setting("--seed", "int", "Seed of the data order and of dropout (42)."), nameof(TrainingOptions.Seed)),
        (Setting("--eval-every", "int", "Steps between evaluations (one per epoch)."), nameof(TrainingOptions.EvaluateEverySteps)),
        (Setting("--save-every", "int", "Steps between checkpoints (one per epoch)."), nameof(TrainingOptions.SaveEverySteps)),
        (Setting("--patience", "int", "Stop after this many evaluations without improvement."), nameof(TrainingOptions.EarlyStoppingPatience)),
    ];

    public Option<bool> LoadBest { get; } = new("--load-best") { Description = "Keep the parameters of the best evaluation." };

    public Option<string[]> Training { get; } = new("--training") { Description = "Any other setting of TrainingOptions: --training MaxGradientNorm=0.5.", HelpName = "name=value" };

    public Option<string> Output { get; } = new("--output", "-o") { Description = "Folder of the adapter, with checkpoints/, run.jsonl and report.html.", HelpName = "folder", DefaultValueFactory = _ => "out" };

    public Option<bool> Resume { get; } = new("--resume") { Description = "Go on from the last checkpoint in the output folder." };

    public Option<string[]> Sample { get; } = new("--sample") { Description = "A prompt that the report shows completed before and after training.", HelpName = "prompt" };

    /// <summary>Names of the settings of <see cref="TrainingOptions"/> that an option sets.</summary>
    public static IEnumerable<string> SettingsOf(string option)
        => option == "--load-best" ? [nameof(TrainingOptions.LoadBestAtEnd)] : Settable().Where(each => each.Option.Name == option).Select(each => each.Property);

    public IEnumerable<Option> All => [.. settings.Select(each => each.Option), LoadBest, Training, Output, Resume, Sample];

    /// <summary>Folder of a run's checkpoints.</summary>
    public static string Checkpoints(string output) => Path.Combine(output, "checkpoints");

    /// <summary>The settings of the run.</summary>
    /// <exception cref="ToolException">A value cannot be read, there is no checkpoint to resume from, or one of another run.</exception>
    public TrainingOptions Options(ToolContext context)
    {
        var output = context.Get(Output)!;
        var last = Trainer.FindLastCheckpoint(Checkpoints(output));
        var resume = context.Get(Resume);
        if (resume && last is null) throw new ToolException($"There is no checkpoint in {Checkpoints(output)} to resume from: leave out --resume to begin.");
        if (!resume && last is not null) throw new ToolException($"{output} holds the checkpoints of another run, the last being {last}: add --resume to go on from it, or choose another folder by --output.");
        var options = new TrainingOptions { LogEverySteps = 1, LoadBestAtEnd = context.Get(LoadBest), OutputFolder = Checkpoints(output), ResumeFrom = resume ? last : null };
        foreach (var (option, property) in settings)
            if (context.Get(option) is { } value) Settings.Apply(options, [KeyValuePair.Create(property, value)], option.Name);
        return Settings.Apply(options, Settings.Split(context.Get(Training), "--training"), "--training");
    }

    private static Option<string> Setting(string name, string value, string description, params string[] aliases) => new(name, aliases) { Description = description, HelpName = value };
}
