using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Reward models, as TRL's RewardTrainer trains them.</summary>
public sealed class RewardTests : ObjectiveTests<RewardTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("reward");

    [Theory, MemberData(nameof(Cases))]
    public void Rewards_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var (chosen, rejected) = ObjectiveOf(@case).Compute(BatchOf(@case));
        @case.CheckOutputs(("scores_chosen", chosen), ("scores_rejected", rejected));
    }

    protected override RewardObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new RewardOptions { CenterRewardsCoefficient = @case.Optional("center_rewards_coefficient") });

    protected override Batch BatchOf(AlignmentCase @case) => @case.InputBatch(@case.Expected.Read("input_ids").shape[0] / 2);
}
