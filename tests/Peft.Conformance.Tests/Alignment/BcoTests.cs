using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Binary classifier optimization, as TRL's BCOTrainer computes it.</summary>
public sealed class BcoTests : ObjectiveTests<BcoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("bco");

    protected override void CheckLossAndMetrics(AlignmentCase @case)
    {
        // TRL divides the sums of a side by its rows when it logs them.
        var expected = @case.Json.GetProperty("metrics").EnumerateObject().ToDictionary(each => each.Name, each => each.Value.GetDouble());
        @case.CheckLossAndMetrics(ObjectiveOf(@case), BatchOf(@case), _ => { }, [.. expected.Keys.Where(name => name != "delta")]);
        using var metrics = new TrainingMetrics();
        ObjectiveOf(@case).Loss(BatchOf(@case), metrics);
        var means = metrics.Means();
        foreach (var side in new[] { "chosen", "rejected" })
            foreach (var name in new[] { "rewards", "logps", "logits" })
            {
                var value = expected[$"{name}/{side}_sum"] / expected[$"count/{side}"];
                means[$"{name}/{side}"].ShouldBe(value, 2e-4 + 1e-3 * Math.Abs(value), $"{name}/{side}");
            }
        means["rewards/margins"].ShouldBe(means["rewards/chosen"] - means["rewards/rejected"], 1e-6);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_running_mean_and_losses_of_rows(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var objective = ObjectiveOf(@case);
        var (rows, losses, _) = objective.Compute(BatchOf(@case));
        var (chosen, rejected) = (rows.Desirable.nonzero().squeeze(1), rows.Desirable.logical_not().nonzero().squeeze(1));
        var beta = @case.Number("beta");
        @case.CheckOutputs(("chosen_logps", rows.Sums.index_select(0, chosen)), ("rejected_logps", rows.Sums.index_select(0, rejected)),
            ("ref_chosen_logps", rows.Reference.index_select(0, chosen)), ("ref_rejected_logps", rows.Reference.index_select(0, rejected)), ("delta", tensor([objective.Delta])),
            ("rewards_chosen", rows.Ratios.index_select(0, chosen) * beta), ("rewards_rejected", rows.Ratios.index_select(0, rejected) * beta),
            ("per_sequence_loss", cat([losses.index_select(0, chosen), losses.index_select(0, rejected)])));
    }

    protected override BcoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new BcoOptions { Beta = @case.Number("beta") });

    protected override Batch BatchOf(AlignmentCase @case)
    {
        var labels = @case.Expected.Read("completion_labels");
        return new()
        {
            InputIds = @case.Expected.Read("completion_input_ids"),
            AttentionMask = @case.Expected.Read("completion_attention_mask"),
            Extra = new Dictionary<string, Tensor>
            {
                ["completion_mask"] = labels.ne(Batch.IgnoredLabel).to_type(ScalarType.Int64),
                ["label"] = tensor(@case.Json.GetProperty("examples").EnumerateArray().Select(each => each.GetProperty("label").GetBoolean()).ToArray()),
            },
            Weight = labels.shape[0],
        };
    }
}
