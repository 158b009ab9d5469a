using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>An optimizer over flat parameters.</summary>
public abstract class FlatOptimizer : IDisposable
{
    private const string StepKey = "step";

    private protected FlatOptimizer(FlatParameters parameters, double learningRate, FlatOptimizerOptions options)
    {
        ArgumentNullException.ThrowIfNull(parameters);
        Parameters = parameters;
        Options = options;
        var errors = options.Errors().ToList();
        if (!(learningRate >= 0 && double.IsFinite(learningRate))) errors.Add($"LearningRate must be at least 0, but was {learningRate}.");
        if (errors.Count > 0) throw new ArgumentException(string.Join(' ', errors), nameof(options));
        LearningRate = learningRate;
    }

    private protected FlatParameters Parameters { get; }

    /// <summary>Creates the memory for the state if it is paged. On the meta device, tensors have no memory.</summary>
    /// <exception cref="TrainingException">Parameters are not on the CPU, or the folder does not exist.</exception>
    private protected PagedMemory? PagesOf(bool paged, string? folder)
    {
        if (!paged || Parameters.Buffers.All(buffer => buffer.Values.is_meta)) return null;
        if (Parameters.Buffers.FirstOrDefault(buffer => buffer.Values.device_type != DeviceType.CPU) is { } other)
            throw new TrainingException($"Paged optimizer states require parameters on the CPU, but some are on {other.Values.device}: set Paged to false.");
        return new(folder);
    }

    private FlatOptimizerOptions Options { get; }

    /// <summary>Memory of a state in files; null for ordinary tensors.</summary>
    private protected virtual PagedMemory? Pages => null;

    /// <summary>Removes a state in files from the resident memory of the process, until it is used again.</summary>
    internal void Evict() => Pages?.Evict();

    /// <summary>Learning rate before the schedule, for tensors that are in no group.</summary>
    public double LearningRate { get; set; }

    /// <summary>Number of completed steps.</summary>
    public long Steps { get; private set; }

    /// <summary>
    /// Prepares a step, before its forward and backward passes. An optimizer that trains only some of the tensors at a time makes only those require gradients. Calling it is optional.
    /// </summary>
    public virtual void BeginStep() { }

    /// <summary>Updates the parameters once, from their gradients.</summary>
    /// <param name="scheduleFactor">Value of the schedule at this step, a factor of all learning rates.</param>
    public void Step(double scheduleFactor = 1)
    {
        Steps++;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        Update(scheduleFactor);
    }

    /// <summary>Updates the parameters once. <see cref="Steps"/> already includes this step.</summary>
    private protected abstract void Update(double scheduleFactor);

    private protected (double Rate, double Decay) RateAndDecay(int group, double scheduleFactor)
    {
        var own = Parameters.Groups[group];
        return (scheduleFactor * own.LearningRateScale * (own.LearningRate ?? LearningRate), own.WeightDecay ?? Options.WeightDecay);
    }

    /// <summary>
    /// Sets the parameters to the values to evaluate and save, until the result is disposed. Returns null (the default) if these are the trained values.
    /// </summary>
    internal virtual IDisposable? BeginEvaluation() => null;

    /// <summary>Sets the parameters to the values to evaluate and save, at the end of training.</summary>
    internal virtual void Finish() { }

    /// <summary>Returns the state of each tensor except <c>step</c>, by name, as views of the live state in the shape for this tensor.</summary>
    private protected abstract IEnumerable<(string Name, Tensor Live)> LiveState();

    /// <summary>Returns the optimizer's state by name: <c>step</c>, and views of the live state such as <c>exp_avg.NAME</c>. The caller disposes them.</summary>
    public IReadOnlyDictionary<string, Tensor> GetState()
    {
        var state = new Dictionary<string, Tensor>(StringComparer.Ordinal) { [StepKey] = tensor(Steps) };
        foreach (var (name, live) in LiveState()) state[name] = live;
        return state;
    }

    /// <summary>Restores a state from <see cref="GetState"/>, for tensors with the same names and shapes.</summary>
    /// <exception cref="TrainingException">A tensor is missing or has another shape.</exception>
    public void SetState(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var steps = NamedTensors.Get(state, StepKey, []).item<long>();
        Prepare(state);
        var copies = LiveState().Select(own => (To: own.Live, From: NamedTensors.Get(state, own.Name, own.Live.shape))).ToList();   // check all before copying any
        foreach (var (to, from) in copies) to.copy_(from);
        Steps = steps;
    }

    /// <summary>Creates state that is otherwise created lazily, before saved values are copied into it.</summary>
    private protected virtual void Prepare(IReadOnlyDictionary<string, Tensor> saved) { }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>Disposes the state.</summary>
    private protected abstract void Release();
}
