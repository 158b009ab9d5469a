using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>XPO and Nash-MD, as TRL's XPOTrainer and NashMDTrainer compute them.</summary>
public sealed class PairwiseTests : ObjectiveTests<PairwiseTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("xpo", "nash");

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_of_policy_and_reference(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        @case.Peft.Module.train();
        var completions = new Completions(BatchOf(@case));
        var policy = ObjectiveOf(@case).Policy;
        var (own, other) = PairedBatch.Halves(completions.Predict(policy, 1).LogProbabilities);
        var (ownReference, otherReference) = PairedBatch.Halves(completions.PredictByReference(policy, 1));
        @case.Expected.ShouldEqual("model_logprobs_model_data", own);
        @case.Expected.ShouldEqual("ref_logprobs_model_data", ownReference);
        if (!@case.Expected.Has("ref_logprobs_ref_data")) return;
        @case.Expected.ShouldEqual("model_logprobs_ref_data", other);
        @case.Expected.ShouldEqual("ref_logprobs_ref_data", otherReference);
        var pairs = new PairedRatios(cat([own, other]), cat([ownReference, otherReference]), @case.Expected.Read("model_scores").ge(@case.Expected.Read("other_scores")));
        @case.Expected.ShouldEqual("chosen_log_ratios", pairs.ChosenRatios);
        @case.Expected.ShouldEqual("rejected_log_ratios", pairs.RejectedRatios);
    }

    protected override PairwiseObjective ObjectiveOf(AlignmentCase @case)
    {
        var rollouts = new RolloutOptions { Rewards = [RewardFunction.Of("score", _ => null)], EndTokenIds = [@case.Json.GetProperty("eos_token_id").GetInt32()] };
        return @case.Text("kind") == "nash"
            ? new NashObjective(@case.Peft, rollouts, new NashOptions { Beta = @case.Number("beta") })
            : new XpoObjective(@case.Peft, rollouts, new XpoOptions { Beta = @case.Number("beta"), Alpha = @case.Number("alpha"), Loss = Enum.Parse<DpoLoss>(@case.Config.GetProperty("loss_type").GetString()!, ignoreCase: true) });
    }

    protected override Batch BatchOf(AlignmentCase @case)
    {
        Tensor Both(string name) => cat([@case.Expected.Read("model." + name), @case.Expected.Read("other." + name)]);
        var (ids, mask) = (Both("input_ids"), Both("attention_mask"));
        var (rows, width, context) = (ids.shape[0], ids.shape[1], (int)@case.Number("context_length"));
        return new()
        {
            InputIds = ids,
            AttentionMask = mask,
            Weight = rows / 2,
            Extra = new Dictionary<string, Tensor>
            {
                ["completion_mask"] = mask.narrow(1, context, width - context).clone(),
                ["scores"] = cat([@case.Expected.Read("model_scores"), @case.Expected.Read("other_scores")]),
                ["position_ids"] = arange(0, width, 1, ScalarType.Int64).expand(rows, width),
            },
        };
    }
}
