using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft;

/// <summary>A policy and its value model, which are trained together.</summary>
/// <param name="policy">The policy, a language model with an adapter.</param>
/// <param name="values">The value model.</param>
public sealed class ActorCritic(ITrainable policy, ValueModel values) : ITrainable
{
    /// <summary>File of the value model's tensors next to the policy's adapter, in the safetensors format.</summary>
    public const string FileName = "value_model.safetensors";

    /// <summary>The policy.</summary>
    public ITrainable Policy { get; } = policy ?? throw new ArgumentNullException(nameof(policy));

    /// <summary>The value model.</summary>
    public ValueModel Values { get; } = values ?? throw new ArgumentNullException(nameof(values));

    /// <inheritdoc/>
    public nn.Module Module => Policy.Module;

    /// <inheritdoc/>
    public IReadOnlyList<TrainableTensor> Trainables => [.. Policy.Trainables, .. Values.Trainables];

    /// <inheritdoc/>
    public IReadOnlyList<string> Unreached => [.. Policy.Unreached, .. Values.Own?.Unreached ?? []];

    /// <inheritdoc/>
    public IReadOnlyList<string> Warnings => [.. Policy.Warnings, .. Values.Own?.Warnings ?? []];

    /// <inheritdoc/>
    public double RecommendedLearningRate => Policy.RecommendedLearningRate;

    /// <inheritdoc/>
    public IReadOnlyDictionary<string, Tensor> TrainingState
        => Values.Own is { } own ? Policy.TrainingState.Concat(own.TrainingState.Select(pair => KeyValuePair.Create("value." + pair.Key, pair.Value))).ToDictionary() : Policy.TrainingState;

    /// <inheritdoc/>
    public IDisposable? BeginTraining()
    {
        var first = Policy.BeginTraining();
        Values.RequireGradients();
        try
        {
            return new Both(first, Values.Own?.BeginTraining());
        }
        catch
        {
            first?.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public Tensor? Penalty()
    {
        var (policy, values) = (Policy.Penalty(), Values.Own?.Penalty());
        return policy is null || values is null ? policy ?? values : policy.add(values, One);
    }

    /// <inheritdoc/>
    public void AfterStep(int step, int totalSteps)
    {
        Policy.AfterStep(step, totalSteps);
        Values.Own?.AfterStep(step, totalSteps);
    }

    /// <summary>Saves the policy's adapter, and the value model to <see cref="FileName"/>.</summary>
    public void Save(string folder)
    {
        Policy.Save(folder);
        SafetensorsWriter.Write(Path.Combine(folder, FileName), Values.Trainables.ToDictionary(tensor => tensor.Name, Tensor (tensor) => tensor.Value));
    }

    private sealed class Both(IDisposable? first, IDisposable? second) : IDisposable
    {
        public void Dispose()
        {
            second?.Dispose();
            first?.Dispose();
        }
    }
}
