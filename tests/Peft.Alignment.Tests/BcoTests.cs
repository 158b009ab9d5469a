using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class BcoTests
{
    [Fact]
    public void A_resumed_run_ends_as_an_uninterrupted_one_to_the_bit()
    {
        var folder = Directory.CreateTempSubdirectory("bco").FullName;
        try
        {
            var (expected, delta) = Run(new TrainingOptions { MaxSteps = 6, BatchSize = 2, LearningRate = 1e-2, GradientAccumulation = 2 });
            Run(new TrainingOptions { MaxSteps = 3, BatchSize = 2, LearningRate = 1e-2, GradientAccumulation = 2, OutputFolder = folder });
            var (resumed, after) = Run(new TrainingOptions { MaxSteps = 6, BatchSize = 2, LearningRate = 1e-2, GradientAccumulation = 2, ResumeFrom = Trainer.FindLastCheckpoint(folder) });
            resumed.ShouldBe(expected);
            after.ShouldBe(delta);
            delta.ShouldNotBe(0);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static (float[] Values, double Delta) Run(TrainingOptions options)
        {
            using var model = TinyModel.Create();
            using var peft = model.ApplyLora(rank: 4);
            var objective = new BcoObjective(peft);
            new Trainer(peft, Texts.Data(8, labelled: true), options with { Schedule = LearningRateSchedule.Constant }) { Objective = objective }.Train();
            return (Texts.Values(peft), objective.Delta);
        }
    }

    [Fact]
    public void Delta_is_the_mean_of_all_rewards_and_evaluations_leave_it_as_it_is()
    {
        using var scope = NewDisposeScope();
        using var model = TinyModel.Create();
        using var peft = Texts.Policy(model);
        model.eval();
        var objective = new BcoObjective(peft);
        using var first = Texts.Labelled(3);
        using var second = Texts.Labelled(2, seed: 40);
        using var metrics = new TrainingMetrics();
        objective.Loss(first, metrics);
        var one = objective.Delta;
        objective.Loss(second, metrics);
        var both = objective.Delta;
        using (no_grad()) objective.Loss(first, metrics);
        objective.Delta.ShouldBe(both);
        var other = new BcoObjective(peft);
        other.Loss(second, metrics);
        both.ShouldBe((3 * one + 2 * other.Delta) / 5, 1e-9);
        objective.Prepare([], 5, metrics);   // of steps whose update was skipped nothing stays
        objective.Delta.ShouldBe(0);
    }

    [Fact]
    public void A_checkpoint_of_another_objective_is_refused()
    {
        using var model = TinyModel.Create();
        using var peft = model.ApplyLora(rank: 4);
        Should.Throw<TrainingException>(() => new BcoObjective(peft).LoadState(new Dictionary<string, Tensor>())).Message.ShouldContain("another objective");
    }
}
