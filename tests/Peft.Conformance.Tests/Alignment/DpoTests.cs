using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Direct preference optimization, as TRL's DPOTrainer computes it.</summary>
public sealed class DpoTests : ObjectiveTests<DpoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("dpo");

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_scores_and_losses_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        var objective = ObjectiveOf(@case);
        var options = OptionsOf(@case);
        @case.Peft.Module.eval();
        var (pairs, predictions) = objective.Compute(BatchOf(@case));
        var reference = ((IReferenceObjective)objective).Policy.PredictByReference(BatchOf(@case), Policy.CompletionLabels(BatchOf(@case)));
        List<(string, Tensor)> tensors =
        [
            ("per_token_logps", predictions.LogProbabilities), ("chosen_logps", pairs.ChosenSums), ("rejected_logps", pairs.RejectedSums), ("ref_per_token_logps", reference.LogProbabilities),
            ("ref_chosen_logps", pairs.ChosenReference), ("ref_rejected_logps", pairs.RejectedReference), ("chosen_logratios", pairs.ChosenRatios), ("rejected_logratios", pairs.RejectedRatios),
            ("chosen_scores", pairs.ChosenScores), ("rejected_scores", pairs.RejectedScores), ("rewards_chosen", pairs.ChosenRatios * options.Beta), ("rewards_rejected", pairs.RejectedRatios * options.Beta),
        ];
        if (@case.Expected.Has("per_sequence_loss"))
        {
            var losses = pairs.Of(options.Losses.Single(), options);
            if (options.WeightByPolicy)
            {
                var (chosen, rejected) = DpoObjective.PolicyWeights(predictions);
                tensors.AddRange([("chosen_weights", chosen), ("rejected_weights", rejected)]);
                losses = losses * chosen * rejected;
            }
            tensors.Add(("per_sequence_loss", losses.expand(@case.Expected.Read("per_sequence_loss").shape)));
        }
        @case.CheckOutputs(tensors);
    }

    protected override DpoObjective ObjectiveOf(AlignmentCase @case)
        => new(@case.Peft, OptionsOf(@case), @case.Config.GetProperty("reference").GetString()!.StartsWith("the adapter", StringComparison.Ordinal) ? @case.Peft.AddReference() : null);

    private static DpoOptions OptionsOf(AlignmentCase @case)
    {
        var config = @case.Config;
        return new()
        {
            Beta = @case.Number("beta"),
            Losses = [.. config.GetProperty("loss_type").EnumerateArray().Select(each => Enum.Parse<DpoLoss>(each.GetString()!.Replace("_", "", StringComparison.Ordinal), ignoreCase: true))],
            LossWeights = config.GetProperty("loss_weights") is { ValueKind: System.Text.Json.JsonValueKind.Array } weights ? [.. weights.EnumerateArray().Select(each => each.GetDouble())] : null,
            LabelSmoothing = @case.Number("label_smoothing"),
            Divergence = config.GetProperty("f_divergence_type").GetString() switch
            {
                "forward_kl" => DpoDivergence.ForwardKl,
                "js_divergence" => DpoDivergence.JensenShannon,
                "alpha_divergence" => DpoDivergence.Alpha,
                _ => DpoDivergence.ReverseKl,
            },
            DivergenceAlpha = @case.Number("f_alpha_divergence_coef"),
            LengthDesensitization = @case.Optional("ld_alpha"),
            WeightByPolicy = @case.Flag("use_weighting"),
            DiscoPopTemperature = @case.Number("discopop_tau"),
        };
    }

    protected override Batch BatchOf(AlignmentCase @case) => @case.InputBatch(@case.Expected.Read("input_ids").shape[0] / 2);
}
