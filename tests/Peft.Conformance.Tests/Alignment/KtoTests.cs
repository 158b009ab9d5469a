using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Kahneman-Tversky optimization, as TRL's KTOTrainer computes it.</summary>
public sealed class KtoTests : ObjectiveTests<KtoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("kto");

    [Theory, MemberData(nameof(Cases))]
    public void Metrics_of_a_side_that_is_absent_are_absent(string id)
    {
        using var @case = new AlignmentCase(id);
        using var metrics = new TrainingMetrics();
        @case.Peft.Module.eval();
        ObjectiveOf(@case).Loss(BatchOf(@case), metrics);
        metrics.Means().Keys.ShouldBe(@case.Json.GetProperty("metrics").EnumerateObject().Select(each => each.Name).Where(name => name != "num_tokens"), ignoreOrder: true);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_divergence_and_losses_of_rows(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var objective = ObjectiveOf(@case);
        var batch = BatchOf(@case);
        var (rows, divergence, losses, _) = objective.Compute(batch);
        var (chosen, rejected) = (rows.Desirable.nonzero().squeeze(1), rows.Desirable.logical_not().nonzero().squeeze(1));
        var beta = @case.Number("beta");
        List<(string, Tensor)> tensors =
        [
            ("completion_logps", rows.Sums), ("chosen_logps", rows.Sums.index_select(0, chosen)), ("rejected_logps", rows.Sums.index_select(0, rejected)),
            ("ref_chosen_logps", rows.Reference.index_select(0, chosen)), ("ref_rejected_logps", rows.Reference.index_select(0, rejected)), ("kl", divergence.reshape(1)),
            ("rewards_chosen", rows.Ratios.index_select(0, chosen) * beta), ("rewards_rejected", rows.Ratios.index_select(0, rejected) * beta),
            ("per_sequence_loss", cat([losses.index_select(0, chosen), losses.index_select(0, rejected)])),
        ];
        if (@case.Expected.Has("KL_logps"))
        {
            var mismatched = KtoObjective.Mismatched(batch);
            tensors.AddRange([("KL_logps", objective.MismatchedSums(mismatched)), ("reference_KL_logps", objective.MismatchedReferenceSums(batch, mismatched))]);
        }
        @case.CheckOutputs(tensors);
    }

    protected override KtoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new KtoOptions
    {
        Beta = @case.Number("beta"),
        Loss = Enum.Parse<KtoLoss>(@case.Config.GetProperty("loss_type").GetString()!.Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
        DesirableWeight = @case.Number("desirable_weight"),
        UndesirableWeight = @case.Number("undesirable_weight"),
    });

    protected override Batch BatchOf(AlignmentCase @case) => @case.InputBatch(@case.Expected.Read("input_ids").shape[0]);
}
