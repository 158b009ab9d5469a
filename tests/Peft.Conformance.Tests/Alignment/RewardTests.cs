using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Reward models, as TRL's RewardTrainer trains them.</summary>
public sealed class RewardTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("reward");

    [Theory, MemberData(nameof(Cases))]
    public void Loss_and_metrics(string id)
    {
        using var @case = new AlignmentCase(id);
        @case.CheckLossAndMetrics(ObjectiveOf(@case), BatchOf(@case), "num_tokens");
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

    [Theory, MemberData(nameof(Cases))]
    public void Rewards_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var (chosen, rejected) = ObjectiveOf(@case).Compute(BatchOf(@case));
        @case.CheckOutputs(("scores_chosen", chosen), ("scores_rejected", rejected));
    }

    private static RewardObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new RewardOptions { CenterRewardsCoefficient = @case.Optional("center_rewards_coefficient") });

    private static Batch BatchOf(AlignmentCase @case) => new()
    {
        InputIds = @case.Expected.Read("input_ids"),
        AttentionMask = @case.Expected.Read("attention_mask"),
        Extra = @case.Inputs("input_ids", "attention_mask", "score.weight"),
        Weight = @case.Expected.Read("input_ids").shape[0] / 2,
    };
}
