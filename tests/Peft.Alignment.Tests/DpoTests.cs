using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class DpoTests
{
    [Fact]
    public void Before_the_first_step_the_loss_is_log_2_and_the_rewards_are_0()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        new DpoObjective(peft).Loss(TinyModel.Pairs(), metrics).item<float>().ShouldBe((float)Math.Log(2), 1e-6f);
        metrics.Means()["rewards/margins"].ShouldBe(0, 1e-6);
    }

    [Fact]
    public void Parts_of_a_batch_give_its_loss()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        peft.Shake(0.1);
        var objective = new DpoObjective(peft);
        using var batch = TinyModel.Pairs(5);
        var parts = objective.Divide(batch, 2);
        parts.Count.ShouldBe(2);
        parts.Sum(part => part.Weight).ShouldBe(5, 1e-9);
        var whole = objective.Loss(batch, metrics).item<float>();
        parts.Sum(part => objective.Loss(part, metrics).item<float>() * part.Weight / 5).ShouldBe(whole, 1e-5);
    }

    [Fact]
    public void Training_widens_the_margin_and_leaves_the_reference_as_it_was()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var margins = new List<double>();
        var trainer = new Trainer(peft, TrainingDataset.From(4, _ => TinyModel.Pairs()), new TrainingOptions { MaxSteps = 20, BatchSize = 4, LearningRate = 1e-2 })
        {
            Objective = new DpoObjective(peft, reference: peft.AddReference()),
        };
        var before = Bits(peft, "reference");
        trainer.Train(new Reporter(progress => margins.Add(progress.Metrics["rewards/margins"])));
        margins.Count.ShouldBe(20);
        margins[0].ShouldBe(0, 1e-6);
        margins[^1].ShouldBeGreaterThan(0.5);
        Bits(peft, "reference").ShouldBe(before);
    }

    [Fact]
    public void A_reference_is_an_exact_copy_and_an_adapter_that_has_changed_its_shapes_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        peft.Shake(0.1);
        peft.AddReference("first");
        Bits(peft, "first").ShouldBe(Bits(peft, PeftModel.DefaultName));
        peft.Active.ShouldBe([PeftModel.DefaultName]);

        foreach (var (_, tensor) in peft.Find(PeftModel.DefaultName).Tensors.Take(1)) TensorOwner.Replace(tensor.Value, zeros(2, 32));
        Should.Throw<PeftException>(() => peft.AddReference("second")).Message.ShouldContain("load it a second time");
        peft.Adapters.Keys.ShouldBe([PeftModel.DefaultName, "first"], ignoreOrder: true);
    }

    [Fact]
    public void A_reference_that_is_trained_or_missing_is_refused()
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        Error(Reference.Adapter("elsewhere")).ShouldContain("no adapter of that name");
        Error(Reference.Adapter(PeftModel.DefaultName)).ShouldContain("being trained");
        Error(Reference.Model(model)).ShouldContain("policy itself");

        string Error(Reference reference) => Should.Throw<TrainingException>(() => new Trainer(peft, TrainingDataset.From(1, _ => TinyModel.Pairs())) { Objective = new DpoObjective(peft, reference: reference) }.Train()).Message;
    }

    private static float[] Bits(PeftModel peft, string name)
        => [.. peft.Find(name).Tensors.SelectMany(pair => pair.Tensor.Value.detach().to_type(ScalarType.Float32).reshape(-1).data<float>().ToArray())];

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
