using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>A transformer with a head that outputs one score per class. The class names are saved with its adapters (<see cref="TaskDescription"/>).</summary>
public abstract class ClassifyingModel : HeadedModel, ITaskModel
{
    private readonly bool namesGiven, countGiven;

    private protected ClassifyingModel(ModelConfig config, TransformerSpec spec, HeadSpec head, LoadOptions options, string? path = null)
        : base(config, spec, head, config.LabelCount, options, path) => (namesGiven, countGiven) = (options.Id2Label is not null, options.LabelCount is not null);

    /// <summary>Number of classes.</summary>
    public int LabelCount => Config.LabelCount;

    /// <summary>The classes and the problem type: those saved with the active adapter if there are any, otherwise those of the configuration.</summary>
    public LabelSet Labels
    {
        get
        {
            var task = CurrentTask;
            var names = ModelConfig.AreDefault(task.Labels) && task.Labels.Count == LabelCount ? Config.Labels : task.Labels;
            try
            {
                return new(ProblemTypes.Of(task.ProblemType, names.Count), names);
            }
            catch (ArgumentException error)
            {
                throw new ModelFolderException($"{Config.Source}: the names of the classes (id2label) are invalid: {error.Message}", error);
            }
        }
    }

    /// <summary>
    /// The weight of each class in the loss, for classes of different frequency (<see cref="ClassWeights.Balanced"/>); null for equal weights. The loss is then a weighted mean, and batches are not
    /// divided among threads. Regression and multi-label classification do not support weights. They are not saved.
    /// </summary>
    /// <exception cref="ArgumentException">The number of weights differs from that of the classes, a weight is negative or not finite, or all are 0.</exception>
    public IReadOnlyList<double>? ClassWeights
    {
        get;
        set
        {
            if (value is not null && (value.Count != LabelCount || !value.All(weight => weight >= 0 && double.IsFinite(weight)) || !value.Any(weight => weight > 0)))
                throw new ArgumentException($"There are {value.Count} weights ({string.Join(", ", value.Take(4))}{(value.Count > 4 ? ", …" : "")}) for {LabelCount} classes: give one for each, finite and at least 0, and not all 0.", nameof(value));
            field = value is null ? null : [.. value];
        }
    }

    // A weighted mean divides by the weights, not by the number of labels.
    private protected override int? FirstLabel => ClassWeights is null ? base.FirstLabel : null;

    /// <summary>The class weights <c>[classes]</c>, with the dtype and device of the logits; null if there are none.</summary>
    private protected Tensor? WeightsFor(Tensor logits)
    {
        if (ClassWeights is not { } weights) return null;
        if (weights.Count != logits.size(-1)) throw new InvalidOperationException($"ClassWeights has {weights.Count} weights, but the head now has {logits.size(-1)} classes: set it again.");
        return tensor(weights.Select(weight => (float)weight).ToArray(), logits.dtype, logits.device);
    }

    /// <summary>The pooling field of the configuration; null for a model that classifies each token.</summary>
    private protected virtual string? PoolingField => null;

    private protected TaskDescription CurrentTask => PeftModel.Of(this)?.Task ?? OwnTask;

    private TaskDescription OwnTask => new() { Labels = Config.Labels, ProblemType = Config.Text("problem_type", null), Pooling = PoolingField };

    TaskDescription? ITaskModel.Task => OwnTask;

    nn.Module? ITaskModel.TaskHead => HeadParts.Output;

    Func<Action>? ITaskModel.Fit(TaskDescription task, string adapter, bool alone)
    {
        ArgumentNullException.ThrowIfNull(task);
        if (namesGiven && !ModelConfig.AreDefault(task.Labels) && !task.Labels.SequenceEqual(Config.Labels))
            throw Mismatch(adapter, $"the classes {new LabelSet(task.Labels)}", $"was loaded for {new LabelSet(Config.Labels)}: load it without the names, or with these");
        var resizes = task.Labels.Count != LabelCount;
        if (resizes && countGiven) throw Mismatch(adapter, $"{task.Labels.Count} classes", $"was loaded for {LabelCount}: load it without {nameof(LoadOptions.LabelCount)}");
        if (resizes && !alone) throw Mismatch(adapter, $"{task.Labels.Count} classes", $"has {LabelCount}, which other adapters on it use: remove those first, or load the base model again");
        var pooling = FitPooling(task, adapter, alone);
        if (!resizes && pooling is null) return null;
        return () =>
        {
            var before = Config;
            var undo = pooling?.Invoke();
            if (resizes) undo += HeadParts.Resize(task.Labels.Count);
            Adopt(task);
            return undo! + (() => Config = before);
        };
    }

    void ITaskModel.Adopt(TaskDescription task)
    {
        ArgumentNullException.ThrowIfNull(task);
        Adopt(task);
    }

    /// <summary>Changes the pooling to that of an adapter; null if it is already the same.</summary>
    private protected virtual Func<Action>? FitPooling(TaskDescription task, string adapter, bool alone) => null;

    private protected AdapterMismatchException Mismatch(string adapter, string trained, string has) => new($"Adapter '{adapter}' was trained for {trained}, but this {GetType().Name} {has}.");

    private void Adopt(TaskDescription task)
    {
        if (task.Labels.Count != LabelCount || !ModelConfig.AreDefault(task.Labels)) Config = Config.WithLabels(task.Labels);
        if (task.ProblemType is { } problem) Config = Config.With("problem_type", problem);
        if (task.Pooling is { } pooling) Config = Config.With(Poolings.Field, pooling);
    }
}
