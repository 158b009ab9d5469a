using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class KtoTests
{
    [Fact]
    public void Before_the_first_step_the_loss_is_a_half_and_the_divergence_0()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        using var metrics = new TrainingMetrics();
        new KtoObjective(peft).Loss(Texts.Labelled(), metrics).item<float>().ShouldBe(0.5f, 1e-5f);
        metrics.Means()["kl"].ShouldBe(0, 1e-5);
    }

    [Fact]
    public void Training_raises_the_rewards_of_desirable_texts_above_the_others()
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var trainer = new Trainer(peft, Texts.Data(8, labelled: true), new TrainingOptions { MaxSteps = 20, BatchSize = 8, LearningRate = 1e-2 })
        {
            Objective = new KtoObjective(peft), Evaluation = Texts.Data(8, labelled: true),
        };
        trainer.Train().Evaluations[^1].Metrics["rewards/margins"].ShouldBeGreaterThan(0.3);
    }

    [Fact]
    public void A_batch_of_one_row_is_warned_of()
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var objective = new KtoObjective(peft);
        objective.Warnings(peft, new() { BatchSize = 1 }).Single().ShouldContain("BatchSize is 1");
        objective.Warnings(peft, new() { BatchSize = 4 }).ShouldBeEmpty();
    }
}
