using static TorchSharp.torch;

namespace Peft;

/// <summary>Base of objectives that compare a policy with a reference. A reference that follows the policy (<see cref="Reference.Following"/>) moves after the steps, and is part of a checkpoint.</summary>
public abstract class ReferencedObjective : Objective
{
    private const string StatePrefix = "reference.";

    private protected ReferencedObjective(ITrainable policy, Reference? reference) => Policy = new(policy, reference ?? Reference.Base);

    internal Policy Policy { get; }

    /// <inheritdoc/>
    protected internal override void AfterStep(int step) => Policy.MoveReference(step);

    /// <inheritdoc/>
    protected internal override IReadOnlyDictionary<string, Tensor> SaveState() => Policy.MovingReference().ToDictionary(pair => StatePrefix + pair.Key, pair => pair.Value.detach());

    /// <inheritdoc/>
    protected internal override void LoadState(IReadOnlyDictionary<string, Tensor> state)
    {
        ArgumentNullException.ThrowIfNull(state);
        using var _ = no_grad();
        foreach (var (key, value) in Policy.MovingReference())
        {
            if (!state.TryGetValue(StatePrefix + key, out var saved) || !saved.shape.SequenceEqual(value.shape)) throw new TrainingException($"The checkpoint lacks the reference's {key} [{string.Join(", ", value.shape)}]: it belongs to a run with another reference.");
            value.copy_(saved);
        }
    }
}
