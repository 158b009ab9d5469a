using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Triple preference optimization, as TRL's TPOTrainer computes it.</summary>
public sealed class TpoTests : ObjectiveTests<TpoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("tpo");

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_and_losses_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var pairs = ObjectiveOf(@case).Compute(BatchOf(@case));
        @case.CheckOutputs(("chosen_logps", pairs.ChosenMeasures), ("rejected_logps", pairs.RejectedMeasures), ("per_sequence_loss", pairs.Losses), ("nll_loss", (pairs.CrossEntropy ?? zeros(1)).reshape(1)));
    }

    protected override TpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new TpoOptions
    {
        Beta = @case.Number("beta"),
        Loss = Enum.Parse<TpoLoss>(@case.Config.GetProperty("loss_type").GetString()!.Replace("-", "", StringComparison.Ordinal), ignoreCase: true),
        LabelSmoothing = @case.Number("label_smoothing"),
        TpoAlpha = @case.Number("tpo_alpha"),
        TpoLGamma = @case.Number("tpo_l_gamma"),
    });

    protected override Batch BatchOf(AlignmentCase @case) => @case.InputBatch(@case.Expected.Read("rejected_logps").shape[0]);
}
