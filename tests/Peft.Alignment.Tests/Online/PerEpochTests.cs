using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class PerEpochTests
{
    private static List<TrainingProgress> Run(Func<PeftModel, Objective> objective)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var steps = new List<TrainingProgress>();
        // Two steps for each of three epochs.
        new Trainer(peft, OnlineRuns.Prompts(), new() { Epochs = 3, BatchSize = 4, LearningRate = 2e-2 }) { Objective = objective(peft) }.Train(new OnlineRuns.Reporter(steps.Add));
        return steps;
    }

    private static RolloutOptions Rollouts => OnlineRuns.Rollouts(2) with { MiniBatches = 2 };

    [Fact]
    public void Each_epoch_has_its_own_values_and_later_ones_the_last()
    {
        var xpo = Run(peft => new XpoObjective(peft, Rollouts, new() { Beta = [0.5, 0.1], Alpha = [0.3, 0.2, 0.1] }));
        xpo.Select(step => step.Metrics["beta"]).ShouldBe([0.5, 0.5, 0.1, 0.1, 0.1, 0.1]);
        xpo.Select(step => step.Metrics["alpha"]).ShouldBe([0.3, 0.3, 0.2, 0.2, 0.1, 0.1]);
        // With one value, as before.
        var alike = Run(peft => new XpoObjective(peft, Rollouts, new() { Beta = 0.5, Alpha = 0.3 }));
        xpo.Take(2).Select(step => step.Loss).ShouldBe(alike.Take(2).Select(step => step.Loss));
        xpo[2].Loss.ShouldNotBe(alike[2].Loss);

        var nash = Run(peft => new NashObjective(peft, Rollouts, new() { Beta = [0.5, 0.1], MixtureCoefficient = [0, 1] }));
        nash.Select(step => step.Metrics["beta"]).ShouldBe([0.5, 0.5, 0.1, 0.1, 0.1, 0.1]);
        nash.Select(step => step.Metrics["mixture_coef"]).ShouldBe([0.0, 0, 1, 1, 1, 1]);

        Run(peft => new OnlineDpoObjective(peft, Rollouts, new() { Beta = [0.2] })).ShouldAllBe(step => step.Metrics["beta"] == 0.2);
    }

    [Fact]
    public void Values_are_compared_and_wrong_ones_are_refused()
    {
        new XpoOptions { Beta = [0.5, 0.1] }.ShouldBe(new() { Beta = [0.5, 0.1] });
        new XpoOptions { Beta = [0.5, 0.1] }.ShouldNotBe(new() { Beta = 0.5 });
        Should.Throw<ArgumentException>(() => new XpoOptions { Beta = [] }).Message.ShouldContain("needs one at least");
        Should.Throw<TrainingException>(() => Run(peft => new XpoObjective(peft, Rollouts, new() { Beta = [0.5, 0], Alpha = [1, double.NaN] }))).Message
            .ShouldSatisfyAllConditions(message => message.ShouldContain("Beta must be above 0, but was 0.5, 0"), message => message.ShouldContain("Alpha must be 0 or more, but was 1, NaN"));
        Should.Throw<TrainingException>(() => Run(peft => new NashObjective(peft, Rollouts, new() { MixtureCoefficient = [0.5, 1.5] }))).Message.ShouldContain("MixtureCoefficient must be in [0, 1]");
    }
}
