namespace Peft.Conformance.Tests.Alignment;

/// <summary>What the cases of every objective check: the loss with its metrics, the gradients and three training steps. Each derived class adds what only its objective computes.</summary>
/// <typeparam name="TSelf">The derived class.</typeparam>
public abstract class ObjectiveTests<TSelf> where TSelf : ObjectiveTests<TSelf>, IObjectiveCases
{
    public static TheoryData<string> Cases => [.. TSelf.Ids];

    [Theory, MemberData(nameof(Cases))]
    public void Loss_and_metrics(string id)
    {
        using var @case = new AlignmentCase(id);
        CheckLossAndMetrics(@case);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Gradients(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckGradients(ObjectiveOf(@case), BatchOf(@case));
    }

    [Theory, MemberData(nameof(Cases))]
    public void Three_training_steps(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckTraining(ObjectiveOf(@case), () => BatchOf(@case));
    }

    /// <summary>The objective with the settings of a case.</summary>
    protected abstract Objective ObjectiveOf(AlignmentCase @case);

    /// <summary>The batch of a case.</summary>
    protected abstract Batch BatchOf(AlignmentCase @case);

    /// <summary>Adds the metrics of what precedes the loss.</summary>
    protected virtual void Prepare(AlignmentCase @case, TrainingMetrics metrics) { }

    protected virtual void CheckLossAndMetrics(AlignmentCase @case) => @case.CheckLossAndMetrics(ObjectiveOf(@case), BatchOf(@case), metrics => Prepare(@case, metrics));
}
