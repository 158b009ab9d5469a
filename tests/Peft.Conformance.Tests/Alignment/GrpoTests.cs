using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Group relative policy optimization, as TRL's GRPOTrainer and GMPOTrainer compute it.</summary>
public sealed class GrpoTests : ObjectiveTests<GrpoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("grpo", "gmpo");

    [Theory, MemberData(nameof(Cases))]
    public void Advantages_and_masks_follow_from_the_rewards_and_completions(string id)
    {
        using var @case = new AlignmentCase(id);
        using var metrics = new TrainingMetrics();
        @case.Expected.ShouldEqual("advantages", Advantages(@case, metrics));
        var completions = new Completions(BatchOf(@case));
        @case.Expected.ShouldEqual("num_items_in_batch", tensor(new[] { (long)completions.Tokens }));
        var ended = Json(@case, "eos_token_id");
        var masks = @case.Flag("mask_truncated_completions");
        var generated = @case.Json.GetProperty("examples").EnumerateArray().Select(example =>
        {
            int[] tokens = Ids(example, "completion_ids");
            return new Completion { Row = 0, Prompt = Ids(example, "prompt_ids"), Tokens = tokens, IsTruncated = tokens[^1] != ended };
        }).ToList();
        using var batch = Sampling.ToBatch(generated, Json(@case, "pad_token_id"), masks, CPU);
        @case.Expected.ShouldEqual("completion_mask", batch.Extra["completion_mask"]);
        @case.Expected.ShouldEqual("completion_ids", batch.InputIds.narrow(1, batch.InputIds.shape[1] - batch.Extra["completion_mask"].shape[1], batch.Extra["completion_mask"].shape[1]));

        int[] Ids(JsonElement example, string name) => [.. example.GetProperty(name).EnumerateArray().Select(each => each.GetInt32())];
    }

    [Theory, MemberData(nameof(Cases))]
    public void Terms_of_the_loss(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var options = OptionsOf(@case);
        @case.Peft.Module.train();
        var completions = new Completions(BatchOf(@case), countsPadding: true);
        var counted = new Completions(BatchOf(@case), options is { Loss: GrpoLoss.Luspo, Beta: > 0 });
        var objective = ObjectiveOf(@case);
        var predicted = counted.Predict(objective.Policy, @case.Number("temperature"));
        var terms = new GrpoTerms(counted, predicted, options);
        var ratios = terms.SamplerRatios();
        var perToken = terms.PerToken(ratios);
        var all = new Completions(BatchOf(@case), countsPadding: true).Predict(objective.Policy, @case.Number("temperature"));
        SameOnTokens("per_token_logps", all.LogProbabilities);
        SameOnTokens("entropies", all.Entropies);
        if (@case.Expected.Has("importance_sampling_ratio")) @case.Expected.ShouldEqual("importance_sampling_ratio", ratios!);
        if (@case.Expected.Has("phi_seq")) @case.Expected.ShouldEqual("phi_seq", terms.Phi!);
        if (@case.Expected.Has("coef_1")) SameOnTokens("coef_1", terms.Bounded);
        if (@case.Expected.Has("ref_per_token_logps"))
        {
            var reference = completions.PredictByReference(objective.Policy, @case.Number("temperature"));
            SameOnTokens("ref_per_token_logps", reference);
            var kl = terms.Kl(completions.PerToken("ref_per_token_logps")!);
            SameOnTokens("per_token_kl", kl);
            perToken = perToken.add(kl.mul(options.Beta), 1);
        }
        if (options.Loss == GrpoLoss.Gmpo) @case.Expected.ShouldEqual("per_sequence_loss", perToken.squeeze(1));
        else SameOnTokens("per_token_loss", perToken);

        void SameOnTokens(string name, Tensor actual)
        {
            var expected = @case.Expected.Read(name);
            actual.shape.ShouldBe(expected.shape, name);
            var mask = actual.shape[1] == 1 ? ones_like(actual) : counted.Mask;
            actual.sub(expected).mul(mask).abs().max().item<float>().ShouldBeLessThan(2e-4f + 1e-3f * expected.mul(mask).abs().max().item<float>(), name);
        }
    }

    private static int Json(AlignmentCase @case, string name) => @case.Json.GetProperty(name).GetInt32();

    protected override void Prepare(AlignmentCase @case, TrainingMetrics metrics) => Advantages(@case, metrics);

    private static Tensor Advantages(AlignmentCase @case, TrainingMetrics metrics)
    {
        var options = OptionsOf(@case);
        var rewards = CompletionCase.Rewards(@case);
        var advantages = GroupAdvantages.Of(rewards, options.RewardScaling, options.RewardAggregation, out var deviations);
        rewards.Report(metrics, deviations);
        return tensor(advantages.Select(value => (float)value).ToArray());
    }

    protected override GrpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, CompletionCase.Rollouts(@case), OptionsOf(@case));

    private static T Named<T>(string name) where T : struct, Enum => Enum.Parse<T>(name.Replace("_", "", StringComparison.Ordinal), ignoreCase: true);

    private static GrpoOptions OptionsOf(AlignmentCase @case)
    {
        string Text(string name) => @case.Config.GetProperty(name).GetString()!;
        return new()
        {
            Loss = @case.Text("kind") == "gmpo" ? GrpoLoss.Gmpo : Named<GrpoLoss>(Text("loss_type")),
            Beta = @case.Number("beta"),
            Epsilon = @case.Number("epsilon"),
            EpsilonHigh = @case.Optional("epsilon_high"),
            Delta = @case.Optional("delta"),
            ImportanceLevel = Named<ImportanceLevel>(Text("importance_sampling_level")),
            RewardScaling = Named<RewardScaling>(Text("scale_rewards")),
            RewardAggregation = Named<RewardAggregation>(Text("multi_objective_aggregation")),
            MaskTruncated = @case.Flag("mask_truncated_completions"),
            TopEntropyQuantile = @case.Number("top_entropy_quantile"),
            EntropyCoefficient = @case.Number("entropy_coef"),
            OffPolicyThreshold = @case.Optional("off_policy_mask_threshold"),
            BiasCorrectKl = @case.Flag("use_bias_correction_kl"),
            SapoTemperaturePositive = @case.Number("sapo_temperature_pos"),
            SapoTemperatureNegative = @case.Number("sapo_temperature_neg"),
            VespoPositive = (@case.Number("vespo_k_pos"), @case.Number("vespo_lambda_pos")),
            VespoNegative = (@case.Number("vespo_k_neg"), @case.Number("vespo_lambda_neg")),
            SamplerCorrection = @case.Config.TryGetProperty("vllm_importance_sampling_mode", out var mode) ? Named<SamplerCorrection>(mode.GetString()!) : SamplerCorrection.SequenceMask,
            SamplerRatioMin = @case.Optional("vllm_importance_sampling_clip_min"),
            SamplerRatioMax = @case.Optional("vllm_importance_sampling_clip_max"),
        };
    }

    protected override Batch BatchOf(AlignmentCase @case)
        => CompletionCase.BatchOf(@case, "advantages", "old_per_token_logps", "ref_per_token_logps", "sampling_per_token_logps", "tool_mask", "num_items_in_batch");
}
