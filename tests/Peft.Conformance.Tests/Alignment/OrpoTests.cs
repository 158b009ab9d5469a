using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Odds ratio preference optimization, as TRL's ORPOTrainer computes it.</summary>
public sealed class OrpoTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("orpo");

    [Theory, MemberData(nameof(Cases))]
    public void Loss_and_metrics(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckLossAndMetrics(ObjectiveOf(@case), @case.PairsOf());
    }

    [Theory, MemberData(nameof(Cases))]
    public void Gradients(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckGradients(ObjectiveOf(@case), @case.PairsOf());
    }

    [Theory, MemberData(nameof(Cases))]
    public void Three_training_steps(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckTraining(ObjectiveOf(@case), @case.PairsOf);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_and_odds_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var pairs = ObjectiveOf(@case).Compute(@case.PairsOf());
        var beta = @case.Number("beta");
        @case.CheckOutputs(("chosen_logps", pairs.ChosenMeans), ("rejected_logps", pairs.RejectedMeans), ("rewards_chosen", pairs.ChosenMeans * beta), ("rewards_rejected", pairs.RejectedMeans * beta),
            ("log_odds", pairs.LogOdds), ("log_sigmoid_log_odds", pairs.LogSigmoid), ("nll_loss", pairs.CrossEntropy.reshape(1)));
    }

    private static OrpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new OrpoOptions { Beta = @case.Number("beta") });
}
