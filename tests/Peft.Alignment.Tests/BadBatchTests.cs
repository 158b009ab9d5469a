using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class BadBatchTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Peft.Models.CausalLM model = TinyModel.Create();
    private readonly PeftModel peft;

    public BadBatchTests() => peft = model.ApplyLora(rank: 4);

    private IEnumerable<Objective> Paired => [new DpoObjective(peft), new CpoObjective(peft), new OrpoObjective(peft), new TpoObjective(peft, new() { TpoAlpha = 0 })];

    private IEnumerable<Objective> Labelled => [new KtoObjective(peft), new BcoObjective(peft)];

    [Fact]
    public void An_empty_completion_is_named()
    {
        foreach (var objective in Paired)
        {
            var batch = Texts.Batch(3);
            batch.Extra["completion_mask"][4].fill_(0);
            Error<DatasetException>(objective, batch).ShouldContain("rejected text of pair 1");
            Should.Throw<DatasetException>(() => objective.Divide(batch, 2));
        }
        foreach (var objective in Labelled)
        {
            var batch = Texts.Labelled(3);
            batch.Extra["completion_mask"][2].fill_(0);
            Error<DatasetException>(objective, batch).ShouldContain("Row 2 of the batch");
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        foreach (var objective in Paired.Concat(Labelled))
        {
            var labelled = objective is KtoObjective or BcoObjective;
            Batch Good() => labelled ? Texts.Labelled(2) : Texts.Batch(2);
            Error<ArgumentException>(objective, With(Good(), extra => extra.Remove("completion_mask"))).ShouldContain("no completion_mask");
            Error<ArgumentException>(objective, With(Good(), extra => extra["completion_mask"] = ones(3, 8))).ShouldContain("completion_mask is");
            Error<ArgumentException>(objective, new() { InputIds = ones(8, dtype: ScalarType.Int64), Extra = Good().Extra }).ShouldContain("The ids are");
            Error<ArgumentException>(objective, new() { InputIds = zeros(0, 8, ScalarType.Int64), Extra = Good().Extra }).ShouldContain("The ids are");
            var disposed = Good();
            disposed.InputIds.Dispose();
            Should.Throw<ObjectDisposedException>(() => objective.Loss(disposed, new()));
            Should.Throw<ArgumentNullException>(() => objective.Loss(null!, new()));
            Should.Throw<ArgumentNullException>(() => objective.Loss(Good(), null!));
            if (labelled)
            {
                Error<ArgumentException>(objective, With(Good(), extra => extra.Remove("label"))).ShouldContain("no label");
                Error<ArgumentException>(objective, With(Good(), extra => extra["label"] = ones(3))).ShouldContain("label is");
                Error<ArgumentException>(objective, With(Good(), extra => extra["ref_logps"] = ones(1))).ShouldContain("ref_logps is");
            }
            else Error<ArgumentException>(objective, Texts.Batch(3, texts: 1)).ShouldContain("2 · pairs");
        }
        Error<ArgumentException>(new DpoObjective(peft), With(Texts.Batch(2), extra => extra["ref_chosen_logps"] = ones(4))).ShouldContain("ref_chosen_logps is");
    }

    [Fact]
    public void Kto_without_mismatched_pairs_is_refused_unless_it_needs_none()
    {
        var batch = With(Texts.Labelled(2), extra => extra.Remove("KL_input_ids"));
        Error<ArgumentException>(new KtoObjective(peft), batch).ShouldContain("KL_input_ids");
        using var metrics = new TrainingMetrics();
        new KtoObjective(peft, new() { Loss = KtoLoss.ApoZeroUnpaired }).Loss(batch, metrics).item<float>().ShouldBe(0.5f, 1e-5f);
        Error<ArgumentException>(new KtoObjective(peft), With(Texts.Labelled(2), extra => extra["KL_input_ids"] = ones(3, 8, ScalarType.Int64))).ShouldContain("a mismatched pair for each row");
    }

    [Fact]
    public void Settings_that_make_no_sense_are_refused()
    {
        Refused(new CpoObjective(peft, new() { Beta = 0 })).ShouldContain("Beta must be above 0");
        Refused(new OrpoObjective(peft, new() { Beta = double.NaN })).ShouldContain("Beta");
        Refused(new TpoObjective(peft, new() { TpoAlpha = -1 })).ShouldContain("TpoAlpha");
        Refused(new KtoObjective(peft, new() { DesirableWeight = -1 })).ShouldContain("DesirableWeight");
        Refused(new BcoObjective(peft, new() { Beta = -1 })).ShouldContain("Beta");
        Refused(new KtoObjective(peft, reference: Reference.Adapter("elsewhere"))).ShouldContain("no adapter of that name");
        using var other = TinyModel.Create();
        using var policy = other.ApplyLora();
        Refused(new OrpoObjective(policy)).ShouldContain("another model");
        using var classifier = RewardTests.Classifier();
        using var classifying = classifier.ApplyLora();
        Should.Throw<AdapterOptionsException>(() => new CpoObjective(classifying)).Message.ShouldContain("CausalLM");
        Should.Throw<AdapterOptionsException>(() => new RewardObjective(peft)).Message.ShouldContain("SequenceClassifier");
        Should.Throw<AdapterOptionsException>(() => new ProcessRewardObjective(peft)).Message.ShouldContain("TokenClassifier");
    }

    [Fact]
    public void Smoothing_of_losses_that_have_none_is_warned_of()
    {
        Warning(new CpoObjective(peft, new() { LabelSmoothing = 0.1, Loss = CpoLoss.Ipo })).ShouldHaveSingleItem().ShouldStartWith("The loss Ipo has no label smoothing");
        Warning(new TpoObjective(peft, new() { LabelSmoothing = 0.1, Loss = TpoLoss.Hinge })).ShouldHaveSingleItem().ShouldContain("Hinge has no label smoothing");
        Warning(new CpoObjective(peft, new() { LabelSmoothing = 0.1 })).ShouldBeEmpty();
        Warning(new CpoObjective(peft, new() { Loss = CpoLoss.SimPo })).ShouldHaveSingleItem().ShouldContain("CpoAlpha is not 0");
        using var batch = Texts.Batch(2);
        new CpoObjective(peft, new() { LabelSmoothing = 0.1, Loss = CpoLoss.Ipo }).Loss(batch, new()).item<float>().ShouldBe(new CpoObjective(peft, new() { Loss = CpoLoss.Ipo }).Loss(batch, new()).item<float>());

        IEnumerable<string> Warning(Objective objective)
        {
            objective.Errors(peft, new()).ShouldBeEmpty();
            return objective.Warnings(peft, new(), Texts.Data(2));
        }
    }

    private string Refused(Objective objective) => Should.Throw<TrainingException>(() => new Trainer(peft, Texts.Data(2)) { Objective = objective }.Train()).Message;

    private static string Error<T>(Objective objective, Batch batch) where T : Exception => Should.Throw<T>(() => objective.Loss(batch, new())).Message;

    private static Batch With(Batch batch, Action<Dictionary<string, Tensor>> change)
    {
        var extra = batch.Extra.ToDictionary(pair => pair.Key, pair => pair.Value);
        change(extra);
        return new() { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Extra = extra, Weight = batch.Weight };
    }

    public void Dispose()
    {
        peft.Dispose();
        model.Dispose();
        scope.Dispose();
    }
}
