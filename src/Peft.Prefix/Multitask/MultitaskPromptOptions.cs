namespace Peft;

/// <summary>
/// Multitask prompt tuning (Wang et al. 2023, arXiv:2303.02861): a prompt that all tasks share, multiplied by a low-rank matrix for each task.
/// <see cref="PeftModel.Tasks"/> or <c>task_ids</c> in a batch set the task of each row.
/// </summary>
[MethodDescription("Multitask prompt tuning", "x ← [P∘(Cₜ·Rₜ); x]", "Wang et al. 2023, arXiv:2303.02861")]
[LearningRate(1e-3)]
public sealed record MultitaskPromptOptions() : TextInitializationOptions("MULTITASK_PROMPT_TUNING")
{
    /// <summary>Initialization of the prompt.</summary>
    [JsonPropertyName("prompt_tuning_init")] public MultitaskInitialization Initialization { get; init; }

    /// <summary>
    /// File with the trained prompt to initialize from: <c>adapter_model.safetensors</c> or <c>adapter_model.bin</c> of another adapter of this method.
    /// </summary>
    [JsonPropertyName("prompt_tuning_init_state_dict_path")] public string? InitialStateFile { get; init; }

    /// <summary>Index of the task in <see cref="InitialStateFile"/> to initialize from.</summary>
    [JsonPropertyName("prompt_tuning_init_task"), AtLeast(0)] public int StartTask { get; init; }

    /// <summary>Rank of each task's matrix.</summary>
    [JsonPropertyName("num_ranks"), AtLeast(1)] public int Rank { get; init; } = 1;

    /// <summary>Number of tasks.</summary>
    [JsonPropertyName("num_tasks"), AtLeast(1)] public int TaskCount { get; init; } = 1;

    private protected override bool StartsAsText => Initialization == MultitaskInitialization.Text;

    /// <summary>True if the prompt is initialized from a trained prompt.</summary>
    [JsonIgnore] internal bool StartsAsAnother => !InferenceMode && Initialization is MultitaskInitialization.AverageOfTasks or MultitaskInitialization.OneTask or MultitaskInitialization.SharedOnly;

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (StartsAsAnother && InitialStateFile is null) yield return $"To initialize from a trained prompt ({Initialization}), {nameof(InitialStateFile)} must be set.";
        if (!InferenceMode && Initialization is MultitaskInitialization.AverageOfTasks or MultitaskInitialization.OneTask && TaskCount != 1) yield return $"Initialization {Initialization} initializes a single task, but TaskCount was {TaskCount}.";
    }

    protected override PromptLayer Create(ModelTree model) => new MultitaskPromptLayer(model, this);
}
