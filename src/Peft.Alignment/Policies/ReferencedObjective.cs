using static TorchSharp.torch;

namespace Peft;

/// <summary>Base of objectives that compare a policy with a reference. A reference that follows the policy (<see cref="Reference.Following"/>) moves after the steps, and is part of a checkpoint.</summary>
public abstract class ReferencedObjective : Objective
{
    private const string StatePrefix = "reference.";

    private readonly string? learned;

    private protected ReferencedObjective(ITrainable policy, Reference? reference)
    {
        Policy = new(policy, reference ?? Reference.Base);
        // Another reference than TRL's, which is the policy as it is at first.
        if (reference is null && policy is PeftModel peft) learned = peft.Active.FirstOrDefault(name => peft.Find(name).HasLearned);
    }

    internal Policy Policy { get; }

    private protected virtual bool NeedsReference => true;

    /// <inheritdoc/>
    protected internal override IEnumerable<string> Warnings(ITrainable model, TrainingOptions options, TrainingDataset data)
        => learned is null || !NeedsReference ? [] : [$"The adapter '{learned}' was trained before, but the reference is the model without it. If the policy should stay near what it is now, pass its copy as the reference: model.AddReference(). If not, pass Reference.Base."];

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
