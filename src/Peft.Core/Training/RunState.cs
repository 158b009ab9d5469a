using System.Text.Json;
using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// The state of a run that a checkpoint contains in addition to parameters and moments. Data order and random state follow from the seed and the step, so they are not saved.
/// </summary>
internal sealed class RunState
{
    public const string FileName = "trainer_state.json";
    public const string TensorFileName = "training_state.safetensors";
    private const string ParameterPrefix = "parameter.";
    private const string ModelPrefix = "model.";
    private const string ObjectivePrefix = "objective.";
    private const int MaxBytes = 1 << 30;   // one loss per step

    public int Step { get; set; }

    public int SkippedSteps { get; set; }

    public List<double> Losses { get; set; } = [];

    public List<EvaluationResult> Evaluations { get; set; } = [];

    public EvaluationResult? Best { get; set; }

    /// <summary>Number of evaluations since the metric last improved.</summary>
    public int Stalled { get; set; }

    /// <summary>True if the run was cancelled between a step and the evaluation due after it.</summary>
    public bool EvaluationDue { get; set; }

    /// <summary>The micro-batches of a run with <see cref="TrainingOptions.MaxMemory"/>; otherwise null.</summary>
    public MemoryDivision? Division { get; set; }

    /// <summary>The settings that determine the data order.</summary>
    public required DataOrder Order { get; set; }

    public void Save(string folder, ITrainable model, FlatOptimizer optimizer, Objective objective)
    {
        using var scope = NewDisposeScope();
        var tensors = new Dictionary<string, Tensor>(optimizer.GetState(), StringComparer.Ordinal);
        foreach (var (name, value) in ModelTensors(model)) tensors[name] = value;
        foreach (var (name, value) in objective.SaveState()) tensors[ObjectivePrefix + name] = value;
        SafetensorsWriter.Write(Path.Combine(folder, TensorFileName), tensors);
        AtomicFile.Write(Path.Combine(folder, FileName), file => JsonSerializer.Serialize(file, this, RunStateJson.Default.RunState));
    }

    /// <summary>Loads the state of a checkpoint, and restores its parameters and, if an optimizer is given, its moments.</summary>
    public static RunState Load(string folder, ITrainable model, FlatOptimizer? optimizer, Objective? objective = null)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        FolderSave.Recover(folder);
        CheckpointSums.Verify(folder);
        var state = Read(folder);
        var tensors = ReadTensors(Path.Combine(folder, TensorFileName));
        var own = ModelTensors(model).Select(each => each.Key).ToHashSet(StringComparer.Ordinal);
        if (tensors.Keys.FirstOrDefault(name => name.StartsWith(ModelPrefix, StringComparison.Ordinal) && !own.Contains(name)) is { } foreign)
            throw new TrainingException($"The checkpoint {folder} contains {foreign[ModelPrefix.Length..]}, which this run does not train: resume with the options of the run that wrote it (only a run with {nameof(TrainingOptions.Restarts)} saves base weights).");
        var copies = ModelTensors(model).Select(each => (each.Value, From: NamedTensors.Get(tensors, each.Key, each.Value.shape))).ToList();
        optimizer?.SetState(tensors);
        objective?.LoadState(tensors.Where(pair => pair.Key.StartsWith(ObjectivePrefix, StringComparison.Ordinal)).ToDictionary(pair => pair.Key[ObjectivePrefix.Length..], pair => pair.Value, StringComparer.Ordinal));
        foreach (var (to, from) in copies) to.copy_(from);   // after all have been checked
        return state;
    }

    private static Dictionary<string, Tensor> ReadTensors(string path)
    {
        try
        {
            using var file = SafetensorsFile.Open(path);
            return file.Keys.ToDictionary(name => name, name => file.Read(name), StringComparer.Ordinal);
        }
        catch (CheckpointException error)
        {
            throw new TrainingException($"The training state cannot be read: {error.Message} Resume from another checkpoint.", error);
        }
    }

    /// <summary>Returns all tensors of the model that training changes, by their names in a checkpoint.</summary>
    public static IEnumerable<KeyValuePair<string, Tensor>> ModelTensors(ITrainable model)
        => model.Trainables.Select(tensor => KeyValuePair.Create(ParameterPrefix + tensor.Name, (Tensor)tensor.Value))
            .Concat(model.TrainingState.Select(pair => KeyValuePair.Create(ModelPrefix + pair.Key, pair.Value)));

    private static RunState Read(string folder)
    {
        var path = Path.Combine(folder, FileName);
        try
        {
            using var document = JsonFile.Parse(JsonFile.Read(path, MaxBytes));
            var state = document.Deserialize(RunStateJson.Default.RunState) ?? throw new JsonException("the file contains null.");
            return state is { Step: >= 0, SkippedSteps: >= 0, Stalled: >= 0 } && state.Losses.Count == state.Step ? state
                : throw new JsonException($"step {state.Step}, {state.SkippedSteps} of them skipped, {state.Stalled} evaluations since the best one and {state.Losses.Count} losses are inconsistent.");
        }
        catch (Exception e) when (e is JsonException or CheckpointException)
        {
            throw new TrainingException($"{folder} is not a checkpoint: {e.Message} Use a folder checkpoint-STEP that a trainer wrote.", e);
        }
    }
}
