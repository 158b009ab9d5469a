using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Triple preference optimization, as TRL's TPOTrainer computes it.</summary>
public sealed class TpoTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("tpo");

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
    public void Log_probabilities_and_losses_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var pairs = ObjectiveOf(@case).Compute(BatchOf(@case));
        @case.CheckOutputs(("chosen_logps", pairs.ChosenMeasures), ("rejected_logps", pairs.RejectedMeasures), ("per_sequence_loss", pairs.Losses), ("nll_loss", (pairs.CrossEntropy ?? zeros(1)).reshape(1)));
    }

    private static TpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new TpoOptions
    {
        Beta = @case.Number("beta"),
        Loss = Enum.Parse<TpoLoss>(@case.Config.GetProperty("loss_type").GetString()!.Replace("-", "", StringComparison.Ordinal), ignoreCase: true),
        LabelSmoothing = @case.Number("label_smoothing"),
        TpoAlpha = @case.Number("tpo_alpha"),
        TpoLGamma = @case.Number("tpo_l_gamma"),
    });

    private static Batch BatchOf(AlignmentCase @case) => new()
    {
        InputIds = @case.Expected.Read("input_ids"),
        AttentionMask = @case.Expected.Read("attention_mask"),
        Extra = @case.Inputs("input_ids", "attention_mask"),
        Weight = @case.Expected.Read("rejected_logps").shape[0],
    };
}
