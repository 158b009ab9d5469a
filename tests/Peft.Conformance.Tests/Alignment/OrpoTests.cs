using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Odds ratio preference optimization, as TRL's ORPOTrainer computes it.</summary>
public sealed class OrpoTests : ObjectiveTests<OrpoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("orpo");

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_and_odds_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var pairs = ObjectiveOf(@case).Compute(BatchOf(@case));
        var beta = @case.Number("beta");
        @case.CheckOutputs(("chosen_logps", pairs.ChosenMeans), ("rejected_logps", pairs.RejectedMeans), ("rewards_chosen", pairs.ChosenMeans * beta), ("rewards_rejected", pairs.RejectedMeans * beta),
            ("log_odds", pairs.LogOdds), ("log_sigmoid_log_odds", pairs.LogSigmoid), ("nll_loss", pairs.CrossEntropy.reshape(1)));
    }

    protected override OrpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new OrpoOptions { Beta = @case.Number("beta") });

    protected override Batch BatchOf(AlignmentCase @case) => @case.PairsOf();
}
