using static TorchSharp.torch;

namespace Peft;

// What trainers and models read from the active adapters.
public sealed partial class PeftModel
{
    /// <inheritdoc/>
    public IReadOnlyList<TrainableTensor> Trainables
        => [.. active.Select(Find).Where(adapter => !adapter.IsFrozen).SelectMany(adapter => adapter.Tensors.Where(pair => pair.Tensor.IsTrainable)
            .Select(pair => new TrainableTensor(active.Count == 1 ? pair.Key : $"{adapter.Name}/{pair.Key}", pair.Tensor.Value)))];

    /// <summary>The reason that no tensor is trainable, and what to do.</summary>
    internal string NothingTrainable => active.Where(name => Find(name).IsFrozen).ToList() is { Count: > 0 } frozen
        ? $"The active adapter{(frozen.Count == 1 ? "" : "s")} {string.Join(", ", frozen.Select(name => $"'{name}'"))} {(frozen.Count == 1 ? "is" : "are")} frozen, as adapters from a folder are by default: load with trainable: true, or call Unfreeze(\"{frozen[0]}\")."
        : active.Count > 0 ? $"The active adapters ({string.Join(", ", active)}) have no trainable tensor: activate an adapter that has one."
        : adapters.Count > 0 ? $"No adapter is active: activate one of {string.Join(", ", adapters.Keys)}."
        : "The model has no adapter: add one.";

    /// <inheritdoc/>
    public IReadOnlyList<string> Unreached
        => [.. sites.Values.Where(site => !site.Reached && ActiveAt(site).Length > 0).Select(site => site.Target.Path)];

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => [.. active.SelectMany(name => Find(name).Warnings)];

    /// <inheritdoc/>
    public IDisposable BeginTraining()
    {
        lock (changes)
        {
            RequireLoaded();
            RequireUnmerged("Training");
            trainingRuns++;
        }
        return new Scope(() => { lock (changes) trainingRuns--; });
    }

    /// <summary>Saves each active adapter as <see cref="AdapterCheckpoint.SaveAdapter"/> does.</summary>
    public void Save(string folder)
    {
        foreach (var name in active) this.SaveAdapter(folder, name);
    }

    /// <inheritdoc/>
    public Tensor? Penalty()
    {
        Tensor? sum = null;
        foreach (var part in Parts<IPenalty>())
            sum = part.Penalty() is { } penalty ? (sum is null ? penalty : sum.add(penalty, One)) : sum;
        return sum;
    }

    /// <inheritdoc/>
    public void AfterStep(int step, int totalSteps)
    {
        foreach (var name in active) Find(name).HasLearned = true;
        foreach (var part in Parts<ITrainingSchedule>()) part.AfterStep(step, totalSteps);
    }

    private IEnumerable<T> Parts<T>()
        => active.Select(Find).SelectMany(adapter => adapter.Layers.Cast<object?>().Append(adapter.Shared).Append(adapter.Prompt).OfType<T>());

    /// <inheritdoc/>
    public double RecommendedLearningRate => active.Select(name => Find(name).Options.LearningRateFor(Tree.InputEmbeddings?.Storage.Shape[^1])).DefaultIfEmpty(1e-4).Min();

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> TrainingState
        => active.Select(Find).SelectMany(adapter => adapter.Tensors.Where(pair => pair.Tensor.IsState).Select(pair => (Key: $"{adapter.Name}/{pair.Key}", Value: (Tensor)pair.Tensor.Value)))
            .Concat(RestartState)
            .ToDictionary(pair => pair.Key, pair => pair.Value);
}
