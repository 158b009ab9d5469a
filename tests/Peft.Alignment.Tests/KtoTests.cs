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
        objective.Warnings(peft, new() { BatchSize = 1 }, Texts.Data(8, labelled: true)).Single().ShouldContain("BatchSize is 1");
        objective.Warnings(peft, new() { BatchSize = 4 }, Texts.Data(8, labelled: true)).ShouldBeEmpty();
    }

    // The paper's range of the weights.
    [Theory, InlineData(3, 3, 1, 1, false), InlineData(4, 2, 1, 1, true), InlineData(4, 2, 1, 1.6, false), InlineData(2, 4, 1, 1, true), InlineData(2, 4, 2.5, 1, false)]
    public void Rows_that_are_not_balanced_by_weights_are_warned_of(int desirable, int undesirable, double desirableWeight, double undesirableWeight, bool warns)
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        var data = UnpairedDataset.FromRows(Enumerable.Range(0, desirable + undesirable).Select(i => new System.Text.Json.Nodes.JsonObject { ["prompt"] = "Why?", ["completion"] = $" {i}", ["label"] = i < desirable }), Chats.Tokenizer());
        var warnings = new KtoObjective(peft, new() { DesirableWeight = desirableWeight, UndesirableWeight = undesirableWeight }).Warnings(peft, new(), data).ToList();
        if (warns) warnings.ShouldHaveSingleItem().ShouldContain($"{desirable} desirable and {undesirable} undesirable rows");
        else warnings.ShouldBeEmpty();
    }
}
