using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class OnlineEvaluationTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Theory, InlineData("grpo"), InlineData("rloo"), InlineData("ppo"), InlineData("online dpo"), InlineData("nash")]
    public void An_evaluation_generates_and_scores_completions_of_its_prompts_and_changes_nothing(string method)
    {
        using var scope = NewDisposeScope();
        float[] Run(bool evaluates, List<EvaluationResult> evaluations)
        {
            using var peft = OnlineRuns.Policy(out var model);
            using var _ = model;
            using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
            var trained = OnlineRuns.Trained(method, peft, values);
            var rollouts = OnlineRuns.Rollouts(method is "grpo" or "rloo" ? 4 : 2) with { MiniBatches = 2 };
            var options = new TrainingOptions { MaxSteps = 6, BatchSize = 4, EvaluationBatchSize = 3, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant, EvaluateEverySteps = evaluates ? 1 : null };
            var trainer = new Trainer(trained, OnlineRuns.Prompts(), options) { Objective = OnlineRuns.Objective(method, trained, rollouts), Evaluation = evaluates ? OnlineRuns.Prompts(5) : null };
            evaluations.AddRange(trainer.Train().Evaluations);
            if (evaluates)
            {
                var (one, other) = (trainer.Evaluate(), trainer.Evaluate());
                other.Loss.ShouldBe(one.Loss);
                other.Metrics.ShouldBe(one.Metrics);
                one.Metrics["reward"].ShouldBe(evaluations[^1].Metrics["reward"]);
            }
            return OnlineRuns.Values(trained);
        }
        var evaluations = new List<EvaluationResult>();
        Run(true, evaluations).ShouldBe(Run(false, []));
        evaluations.Count.ShouldBe(6);
        evaluations.ShouldAllBe(each => each.Metrics["completions/mean_length"] >= 1 && each.Metrics["completions/max_length"] <= 6 && each.Metrics["reward"] >= 0 && each.Metrics["reward"] <= 1);
        evaluations.Select(each => each.Loss).Distinct().Count().ShouldBeGreaterThan(1, "the policy changes");
    }

    [Theory, InlineData("grpo", 1), InlineData("grpo", 3), InlineData("rloo", 1), InlineData("ppo", 3), InlineData("online dpo", 2)]
    public void An_evaluation_may_generate_another_number_of_completions(string method, int generations)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
        var trained = OnlineRuns.Trained(method, peft, values);
        var scored = new List<int[]>();
        var reward = RewardFunction.OfAll("share", (completions, _) =>
        {
            scored.Add([.. completions.Select(completion => completion.Row)]);
            return Task.FromResult<IReadOnlyList<double?>>([.. completions.Select(completion => (double?)OnlineRuns.Share(completion))]);
        });
        var rollouts = OnlineRuns.Rollouts(2) with { Rewards = [reward], EvaluationGenerations = generations };
        var result = new Trainer(trained, OnlineRuns.Prompts(), new() { MaxSteps = 1, BatchSize = 4, EvaluationBatchSize = 3 }) { Objective = OnlineRuns.Objective(method, trained, rollouts), Evaluation = OnlineRuns.Prompts(5) }.Train();
        int[] Rows(int prompts, int each) => [.. Enumerable.Range(0, prompts).SelectMany(row => Enumerable.Repeat(row, each))];
        scored.ShouldBe([Rows(4, 2), Rows(3, generations), Rows(2, generations)]);
        double.IsFinite(result.Evaluations[^1].Loss).ShouldBeTrue();
    }

    [Theory, InlineData("grpo", 0, "EvaluationGenerations must be 1 or more, but was 0"), InlineData("nash", 1, "EvaluationGenerations must be 2 or null")]
    public void A_number_of_completions_that_an_evaluation_cannot_use_is_refused(string method, int generations, string message)
    {
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var objective = OnlineRuns.Objective(method, peft, OnlineRuns.Rollouts(2) with { EvaluationGenerations = generations });
        Should.Throw<TrainingException>(() => new Trainer(peft, OnlineRuns.Prompts()) { Objective = objective }.Train()).Message.ShouldContain(message);
    }

    [Fact]
    public void Samples_of_completions_are_in_the_logs_of_steps_and_evaluations()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var (board, lines) = (folder["board"], folder["log.jsonl"]);
        var result = new Trainer(peft, OnlineRuns.Prompts(), new TrainingOptions { MaxSteps = 2, BatchSize = 4, EvaluationBatchSize = 2, LogEverySteps = 1, TensorBoardFolder = board, JsonLogFile = lines })
        {
            Objective = new GrpoObjective(peft, OnlineRuns.Rollouts(2) with { LoggedSamples = 3 }), Evaluation = OnlineRuns.Prompts(),
        }.Train();
        var rows = File.ReadAllLines(lines).Select(line => System.Text.Json.Nodes.JsonNode.Parse(line)!.AsObject()).ToList();
        rows.Count(row => row["train/completions"] is System.Text.Json.Nodes.JsonArray { Count: 3 }).ShouldBe(2);
        var samples = result.Evaluations[^1].Samples["completions"];
        samples.Count.ShouldBe(3, "of the first batch only");
        samples.ShouldAllBe(text => text.Contains(" → ") && text.Contains("(reward "));
        rows.Last(row => row["evaluation/completions"] is not null)["evaluation/completions"]!.AsArray().Select(text => text!.GetValue<string>()).ShouldBe(samples);
        var events = string.Concat(Directory.GetFiles(board, "events.out.tfevents*").Select(file => System.Text.Encoding.UTF8.GetString(File.ReadAllBytes(file))));
        events.ShouldContain("evaluation/completions");
        events.ShouldContain(samples[0]);
    }
}
