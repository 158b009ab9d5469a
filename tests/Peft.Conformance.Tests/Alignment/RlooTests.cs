using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>REINFORCE leave-one-out, as TRL's RLOOTrainer computes it.</summary>
public sealed class RlooTests : ObjectiveTests<RlooTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("rloo");

    [Theory, MemberData(nameof(Cases))]
    public void Advantages_and_divergence_follow_from_rewards_and_models(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var metrics = new TrainingMetrics();
        @case.Expected.ShouldEqual("advantages", Advantages(@case, metrics));
        @case.Peft.Module.train();
        var objective = ObjectiveOf(@case);
        var all = new Completions(BatchOf(@case), countsPadding: true);
        var (logProbabilities, entropies) = all.Predict(objective.Policy, @case.Number("temperature"));
        SameOnTokens("per_token_logps", logProbabilities);
        SameOnTokens("entropies", entropies);
        var sums = new Completions(BatchOf(@case)).Predict(objective.Policy, @case.Number("temperature")).LogProbabilities.sum(dim: 1);
        @case.Expected.ShouldEqual("logps", sums);
        if (!@case.Json.GetProperty("scored").EnumerateArray().Any(each => each.GetString() == "old_logps")) return;
        @case.Expected.ShouldEqual("old_logps", sums);
        if (@case.Input("rollout_per_token_kl") is not null) SameOnTokens("rollout_per_token_kl", logProbabilities.sub(all.PredictByReference(objective.Policy, @case.Number("temperature"))));

        void SameOnTokens(string name, Tensor actual)
        {
            var expected = @case.Expected.Read(name);
            actual.sub(expected).mul(new Completions(BatchOf(@case)).Mask).abs().max().item<float>().ShouldBeLessThan(2e-4f + 1e-3f * expected.abs().max().item<float>(), name);
        }
    }

    protected override void Prepare(AlignmentCase @case, TrainingMetrics metrics) => Advantages(@case, metrics);

    private static Tensor Advantages(AlignmentCase @case, TrainingMetrics metrics)
    {
        var options = OptionsOf(@case);
        var rewards = CompletionCase.Rewards(@case);
        var divergence = @case.Input("rollout_per_token_kl") is { } ratios ? Divergence.Of([(ratios, @case.Expected.Read("completion_mask").to_type(ScalarType.Float32))]) : null;
        var advantages = LeaveOneOut.Of(rewards, divergence, options, out var deviations);
        if (divergence is not null) metrics.Add("kl", divergence.Mean);
        rewards.Report(metrics, deviations);
        return tensor(advantages.Select(value => (float)value).ToArray());
    }

    protected override RlooObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, CompletionCase.Rollouts(@case), OptionsOf(@case));

    private static RlooOptions OptionsOf(AlignmentCase @case) => new()
    {
        Beta = @case.Number("beta"),
        Epsilon = @case.Number("epsilon"),
        EpsilonHigh = @case.Optional("epsilon_high"),
        NormalizeAdvantages = @case.Flag("normalize_advantages"),
        RewardClipRange = @case.Config.GetProperty("reward_clip_range") is { ValueKind: System.Text.Json.JsonValueKind.Array } range ? (range[0].GetDouble(), range[1].GetDouble()) : null,
        MaskTruncated = @case.Flag("mask_truncated_completions"),
    };

    protected override Batch BatchOf(AlignmentCase @case) => CompletionCase.BatchOf(@case, "advantages", "old_logps");
}
