using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Contrastive preference optimization, SimPO and AlphaPO, as TRL's CPOTrainer computes them.</summary>
public sealed class CpoTests : ObjectiveTests<CpoTests>, IObjectiveCases
{
    public static IEnumerable<string> Ids => AlignmentCase.IdsOf("cpo");

    [Theory, MemberData(nameof(Cases))]
    public void Log_probabilities_and_losses_of_pairs(string id)
    {
        using var @case = new AlignmentCase(id);
        using var scope = NewDisposeScope();
        @case.Peft.Module.eval();
        var pairs = ObjectiveOf(@case).Compute(BatchOf(@case));
        @case.CheckOutputs(("chosen_logps", pairs.ChosenMeasures), ("rejected_logps", pairs.RejectedMeasures), ("rewards_chosen", pairs.ChosenRewards), ("rewards_rejected", pairs.RejectedRewards),
            ("per_sequence_loss", pairs.Losses), ("nll_loss", (pairs.CrossEntropy ?? zeros(1)).reshape(1)));
    }

    protected override CpoObjective ObjectiveOf(AlignmentCase @case) => new(@case.Peft, new CpoOptions
    {
        Beta = @case.Number("beta"),
        Loss = Enum.Parse<CpoLoss>(@case.Config.GetProperty("loss_type").GetString()!, ignoreCase: true),
        LabelSmoothing = @case.Number("label_smoothing"),
        CpoAlpha = @case.Number("cpo_alpha"),
        SimPoGamma = @case.Number("simpo_gamma"),
        Alpha = @case.Number("alpha"),
    });

    protected override Batch BatchOf(AlignmentCase @case) => @case.PairsOf();
}
