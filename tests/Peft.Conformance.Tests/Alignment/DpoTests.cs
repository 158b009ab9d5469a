using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Direct preference optimization, as TRL's DPOTrainer computes it.</summary>
public sealed class DpoTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("dpo");

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

    private static DpoObjective ObjectiveOf(AlignmentCase @case)
    {
        var config = @case.Config;
        return new(@case.Peft, new DpoOptions
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
        }, config.GetProperty("reference").GetString()!.StartsWith("the adapter", StringComparison.Ordinal) ? @case.Peft.AddReference() : null);
    }

    private static Batch BatchOf(AlignmentCase @case) => new()
    {
        InputIds = @case.Expected.Read("input_ids"),
        AttentionMask = @case.Expected.Read("attention_mask"),
        Extra = @case.Inputs("input_ids", "attention_mask"),
        Weight = @case.Expected.Read("input_ids").shape[0] / 2,
    };
}
