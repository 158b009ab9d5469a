using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class OnlineResumeTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory, InlineData("grpo", 1), InlineData("grpo", 3), InlineData("grpo", 4), InlineData("adaptive entropy", 3), InlineData("rloo", 3), InlineData("ppo", 3), InlineData("ppo", 4), InlineData("online dpo", 3), InlineData("xpo", 1), InlineData("nash", 3)]
    public void A_run_that_is_resumed_in_the_middle_of_its_completions_ends_bit_identical(string method, int stop)
    {
        using var scope = NewDisposeScope();
        float[] Run(string name, int? stopAt, string? resume)
        {
            using var peft = OnlineRuns.Policy(out var model);
            using var _ = model;
            var options = new TrainingOptions { MaxSteps = 8, BatchSize = 2, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant, OutputFolder = folder[name], SaveEverySteps = 1, ResumeFrom = resume, KeepCheckpoints = null };
            using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
            var trained = OnlineRuns.Trained(method, peft, values);
            var rollouts = OnlineRuns.Rollouts(method is "grpo" or "rloo" or "adaptive entropy" ? 4 : 2) with { MiniBatches = 2, Iterations = 2 };
            new Trainer(trained, OnlineRuns.Prompts(), options) { Objective = OnlineRuns.Objective(method, trained, rollouts), Callbacks = stopAt is { } at ? [new OnlineRuns.StopAt(at)] : [] }.Train();
            return OnlineRuns.Values(trained);
        }
        var whole = Run("whole", null, null);
        Run("part", stop, null).ShouldNotBe(whole);
        Run("rest", null, Trainer.FindLastCheckpoint(folder["part"])).ShouldBe(whole);
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_reward_that_takes_long_ends_with_the_run_which_resumes_bit_identical(bool saves)
    {
        using var scope = NewDisposeScope();
        float[] Run(string name, CancellationTokenSource? stop, string? resume)
        {
            using var peft = OnlineRuns.Policy(out var model);
            using var _ = model;
            var calls = 0;
            var slow = RewardFunction.OfAll("share", async (completions, cancellation) =>
            {
                if (++calls == 3 && stop is not null)
                {
                    stop.CancelAfter(20);
                    await Task.Delay(Timeout.Infinite, cancellation);
                }
                return [.. completions.Select(each => (double?)OnlineRuns.Share(each))];
            });
            var options = new TrainingOptions { MaxSteps = 6, BatchSize = 2, LearningRate = 2e-2, OutputFolder = folder[name], SaveEverySteps = 100, SaveOnCancel = saves, ResumeFrom = resume };
            var trainer = new Trainer(peft, OnlineRuns.Prompts(16), options) { Objective = new GrpoObjective(peft, OnlineRuns.Rollouts() with { Rewards = [slow] }) };
            if (stop is null) trainer.Train();
            else Should.Throw<TrainingCanceledException>(() => trainer.Train(cancellationToken: stop.Token)).Result.Steps.ShouldBe(2);
            return OnlineRuns.Values(peft);
        }
        using var stop = new CancellationTokenSource();
        Run("part", stop, null);
        var last = Trainer.FindLastCheckpoint(folder["part"]);
        if (!saves)
        {
            last.ShouldBeNull();
            return;
        }
        Path.GetFileName(last).ShouldBe("checkpoint-2");
        Run("rest", null, last).ShouldBe(Run("whole", null, null));
    }

    [Fact]
    public void A_checkpoint_without_the_completions_that_are_in_use_is_refused()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var objective = new GrpoObjective(peft, OnlineRuns.Rollouts() with { Iterations = 2 });
        objective.LoadState(new Dictionary<string, Tensor>());
        using var batch = OnlineRuns.Prompts().GetBatch([0]);
        using var metrics = new TrainingMetrics();
        Should.Throw<TrainingException>(() => objective.Prepare([batch], 1, metrics)).Message.ShouldContain("earlier step");
        Should.Throw<TrainingException>(() => objective.LoadState(new Dictionary<string, Tensor> { ["rollout.0.0.InputIds"] = ones(1, 2) })).Message.ShouldContain("another objective");
    }
}
