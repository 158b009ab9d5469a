using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class RolloutTests
{
    [Theory, InlineData(GrpoLoss.Dapo), InlineData(GrpoLoss.Grpo), InlineData(GrpoLoss.Gmpo)]
    public void Grpo_raises_the_reward(GrpoLoss loss)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var rewards = OnlineRuns.Rewards(peft, new GrpoObjective(peft, OnlineRuns.Rollouts(), new GrpoOptions { Loss = loss, Beta = 0.01 }), 25);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    [Fact]
    public void Rloo_raises_the_reward()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var rewards = OnlineRuns.Rewards(peft, new RlooObjective(peft, OnlineRuns.Rollouts(8), new RlooOptions { Beta = 0.001 }), 25);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    [Theory, InlineData("xpo"), InlineData("nash"), InlineData("dpo")]
    public void Online_preference_methods_raise_the_reward(string method)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        Objective objective = method switch
        {
            "xpo" => new XpoObjective(peft, OnlineRuns.Rollouts(2)),
            "nash" => new NashObjective(peft, OnlineRuns.Rollouts(2), new NashOptions { Beta = 0.01 }),
            _ => new OnlineDpoObjective(peft, OnlineRuns.Rollouts(2)),
        };
        var rewards = OnlineRuns.Rewards(peft, objective, 40, prompts: 16, metric: "rewards/share/mean");
        rewards.TakeLast(5).Average().ShouldBeGreaterThan(rewards.Take(5).Average() + 0.1);
    }

    // Rows are shuffled, so that a prompt's place in its batch is not that of its row.
    [Theory, InlineData(1), InlineData(2)]
    public void Reward_functions_see_the_fields_of_the_prompts_row(int accumulation)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        var seen = new List<(int Token, int Field)>();
        var rollouts = OnlineRuns.Rollouts(3) with
        {
            Rewards = [RewardFunction.Of("same", completion =>
            {
                lock (seen) seen.Add((completion.Prompt[0], (int)completion.Fields["token"]!));
                return 1;
            })],
        };
        var prompts = TrainingDataset.From(8, rows => new()
        {
            InputIds = tensor([.. rows.Select(row => 3L + row)], [rows.Count, 1]), Weight = rows.Count, Fields = [.. rows.Select(row => new System.Text.Json.Nodes.JsonObject { ["token"] = 3 + row })],
        });
        new Trainer(peft, prompts, new() { MaxSteps = 4 / accumulation, BatchSize = 2, GradientAccumulation = accumulation }) { Objective = new GrpoObjective(peft, rollouts), Evaluation = prompts }.Train();
        seen.ShouldAllBe(pair => pair.Token == pair.Field);
        seen.Take(24).Select(pair => pair.Token).Where((_, i) => i % 3 == 0).ShouldNotBe([3, 4, 5, 6, 7, 8, 9, 10]);   // shuffled
        seen.Select(pair => pair.Token).Distinct().Count().ShouldBe(8);
        seen.Count.ShouldBeGreaterThan(24);   // the evaluation's too
    }

    // As in TRL.
    [Theory, InlineData("grpo", true), InlineData("rloo", true), InlineData("ppo", false), InlineData("dpo", false), InlineData("xpo", false), InlineData("nash", false)]
    public void Dropout_is_as_the_method_has_it_unless_it_is_set(string method, bool drops)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
        bool Uses(bool? disables) => OnlineRuns.Objective(method, OnlineRuns.Trained(method, peft, values), OnlineRuns.Rollouts(2) with { DisableDropout = disables }).UsesDropout;
        Uses(null).ShouldBe(drops);
        Uses(true).ShouldBeFalse();
        Uses(false).ShouldBeTrue();
        new GkdObjective(peft, Reference.Base).UsesDropout.ShouldBeFalse();
    }

    [Theory, InlineData(GrpoLoss.Dapo, ImportanceLevel.Sequence, true), InlineData(GrpoLoss.Grpo, ImportanceLevel.Sequence, false), InlineData(GrpoLoss.Dapo, ImportanceLevel.Token, false)]
    public void Ratios_of_completions_with_a_loss_of_tokens_are_warned_of(GrpoLoss loss, ImportanceLevel level, bool warns)
    {
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        new GrpoObjective(peft, OnlineRuns.Rollouts(), new() { Loss = loss, ImportanceLevel = level }).Warnings(peft, new()).Any().ShouldBe(warns);
    }

    [Fact]
    public void Completions_last_for_all_their_steps_and_off_policy_steps_have_other_ratios()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        var seen = 0;
        var rollouts = OnlineRuns.Rollouts() with
        {
            MiniBatches = 2,
            Iterations = 2,
            Rewards = [RewardFunction.OfAll("share", (completions, _) =>
            {
                seen++;
                return Task.FromResult<IReadOnlyList<double?>>([.. completions.Select(each => (double?)OnlineRuns.Share(each))]);
            })],
        };
        var metrics = OnlineRuns.Metrics(peft, new GrpoObjective(peft, rollouts), new() { MaxSteps = 8, BatchSize = 4, LearningRate = 5e-2 });
        seen.ShouldBe(2);
        metrics.Select(each => each.ContainsKey("reward")).ShouldBe([true, false, false, false, true, false, false, false]);
        metrics[0]["clip_ratio/region_mean"].ShouldBe(0, "the first step is on-policy");
        metrics.Max(each => each["clip_ratio/region_mean"]).ShouldBeGreaterThan(0);
    }

    [Fact]
    public void Lengths_truncated_completions_and_groups_without_variance_are_reported()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var (seen, logger) = (new List<Completion>(), new ListLogger());
        var reward = RewardFunction.Of("prompt", completion =>
        {
            seen.Add(completion);
            return completion.Row;   // the same for all completions of a prompt
        });
        var metrics = OnlineRuns.Metrics(peft, new GrpoObjective(peft, OnlineRuns.Rollouts(4) with { Rewards = [reward], Logger = logger, MaxCompletionLength = 20 }), new() { MaxSteps = 1, BatchSize = 4 });
        seen.Count.ShouldBe(16);
        seen.Count(each => each.IsTruncated).ShouldBeInRange(1, 15);
        double[] lengths = [.. seen.Select(each => (double)each.Tokens.Count)], ended = [.. seen.Where(each => !each.IsTruncated).Select(each => (double)each.Tokens.Count)];
        (string Name, double Value)[] expected =
        [
            ("completions/mean_length", lengths.Average()), ("completions/min_length", lengths.Min()), ("completions/max_length", lengths.Max()),
            ("completions/clipped_ratio", 1 - ended.Length / 16.0), ("completions/mean_terminated_length", ended.Average()), ("completions/min_terminated_length", ended.Min()),
            ("completions/max_terminated_length", ended.Max()), ("frac_reward_zero_std", 1), ("reward", 1.5),
        ];
        foreach (var (name, value) in expected) metrics[0][name].ShouldBe(value, 1e-6, name);
        logger.Lines.ShouldHaveSingleItem().ShouldBe("Warning: Step 1: the rewards of each prompt's completions are all equal, so there is nothing to learn from them.");
    }

    [Theory, InlineData(GrpoLoss.Dapo), InlineData(GrpoLoss.Grpo)]
    public void The_coefficient_of_the_entropy_follows_the_target(GrpoLoss loss)
    {
        using var scope = NewDisposeScope();
        List<TrainingProgress> Run(GrpoOptions options, int count)
        {
            using var peft = OnlineRuns.Policy(out var model);
            using var _ = model;
            var steps = new List<TrainingProgress>();
            new Trainer(peft, OnlineRuns.Prompts(), new TrainingOptions { MaxSteps = count, BatchSize = 4, LearningRate = 2e-2, ParallelParts = 2 }) { Objective = new GrpoObjective(peft, OnlineRuns.Rollouts(), options) }.Train(new OnlineRuns.Reporter(steps.Add));
            return steps;
        }
        // A little below the entropy at first, which falls as the reward rises.
        var target = Run(new() { Loss = loss }, 1)[0].Metrics["entropy"] - 0.02;
        var steps = Run(new() { Loss = loss, EntropyCoefficient = 0.03, EntropyTarget = target, EntropyCoefficientStep = 0.02, EntropyCoefficientRange = (0.01, 0.06) }, 25);
        var (coefficient, last) = (0.03, double.PositiveInfinity);
        foreach (var step in steps)
        {
            step.Metrics["entropy_coef"].ShouldBe(coefficient, 1e-9);
            step.Loss.ShouldBe(step.Metrics["policy_loss"] - (last <= target ? coefficient : 0) * step.Metrics["entropy"], 1e-5);
            last = step.Metrics["entropy"];
            coefficient = last <= target ? Math.Min(coefficient + 0.02, 0.06) : Math.Max(coefficient - 0.02, 0.01);
        }
        steps.Select(step => Math.Round(step.Metrics["entropy_coef"], 6)).Intersect([0.01, 0.06]).Count().ShouldBe(2, "it reaches both ends");
    }

    [Theory, InlineData(1e-4, StopReason.Callback), InlineData(1e4, StopReason.Completed)]
    public void A_run_ends_when_the_policy_moves_too_far_from_its_reference(double bound, StopReason expected)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        var trainer = new Trainer(peft, OnlineRuns.Prompts(), new TrainingOptions { MaxSteps = 6, BatchSize = 4, LearningRate = 5e-2 })
        {
            Objective = new GrpoObjective(peft, OnlineRuns.Rollouts(), new GrpoOptions { Beta = 0.01 }), Callbacks = [new KlStop(bound)],
        };
        var result = trainer.Train();
        result.StopReason.ShouldBe(expected);
        if (expected == StopReason.Callback) result.Steps.ShouldBeInRange(2, 5);   // policy and reference are equal at first
    }

    [Fact]
    public void Rewards_that_are_no_numbers_and_functions_that_fail_are_refused_with_the_row()
    {
        Error(RewardFunction.Of("bad", completion => completion.Row == 1 ? double.NaN : 1)).ShouldContain("'bad' gave NaN to completion 2, of prompt 1");
        Error(RewardFunction.Of("bad", completion => completion.Row == 1 ? throw new InvalidOperationException("no answer.") : 1)).ShouldContain("'bad' failed for completion 2, of prompt 1: no answer.");
        Error(RewardFunction.OfAll("bad", (_, _) => Task.FromResult<IReadOnlyList<double?>>([1]))).ShouldContain("returned 1 rewards for 4");
        Error(RewardFunction.OfAll("bad", (_, _) => throw new InvalidOperationException("service is down."))).ShouldContain("service is down.");

        static string Error(RewardFunction reward)
        {
            Completion Of(int row) => new() { Row = row, Prompt = [3], Tokens = [4], IsTruncated = true };
            return Should.Throw<RewardException>(() => RewardFunction.Call([reward], [Of(0), Of(0), Of(1), Of(1)], default)).Message;
        }
    }

    [Fact]
    public void Prompts_without_tokens_or_longer_than_the_window_are_refused()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        Error(tensor(new long[] { 3, 0 }, [2, 1]), tensor(new long[] { 1, 0 }, [2, 1])).ShouldContain("Prompt 1 of the batch has no tokens");
        Error(full([1, 64], 5, ScalarType.Int64), ones([1, 64], ScalarType.Int64)).ShouldContain("Prompt 0 of the batch has 64 tokens");

        string Error(Tensor ids, Tensor mask)
        {
            using var metrics = new TrainingMetrics();
            return Should.Throw<TrainingException>(() => new GrpoObjective(peft, OnlineRuns.Rollouts()).Prepare([new() { InputIds = ids, AttentionMask = mask }], 0, metrics)).Message;
        }
    }

    [Fact]
    public void A_missing_reward_gives_no_advantage_and_settings_that_cannot_work_are_refused()
    {
        var rewards = new RewardTable(["a", "b"], [1, 2], [[1, double.NaN], [double.NaN, double.NaN], [3, 1], [2, 0]], 4);
        var advantages = GroupAdvantages.Of(rewards, RewardScaling.None, RewardAggregation.SumThenNormalize, out _);
        advantages.Select(each => Math.Round(each, 6)).ShouldBe([1 - 8 / 3.0, 0, 5 - 8 / 3.0, 2 - 8 / 3.0], 1e-6);
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        Should.Throw<TrainingException>(() => new Trainer(peft, OnlineRuns.Prompts()) { Objective = new GrpoObjective(peft, OnlineRuns.Rollouts(1), new GrpoOptions { Loss = GrpoLoss.Cispo }) }.Train()).Message
            .ShouldSatisfyAllConditions(message => message.ShouldContain("Generations must be 2 or more"), message => message.ShouldContain("EpsilonHigh is the bound"));
    }

    [Fact]
    public void Parts_of_a_batch_give_its_loss()
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var _ = model;
        foreach (var loss in new[] { GrpoLoss.Dapo, GrpoLoss.Grpo, GrpoLoss.Bnpo, GrpoLoss.DrGrpo, GrpoLoss.Gmpo })
        {
            var objective = new GrpoObjective(peft, OnlineRuns.Rollouts(3) with { MiniBatches = 2 }, new GrpoOptions { Loss = loss, Beta = 0.1 });
            using var metrics = new TrainingMetrics();
            manual_seed(5);
            using var prompts = OnlineRuns.Prompts().GetBatch([0, 1, 2]);
            var batch = objective.Prepare([prompts], 0, metrics)[0];
            var parts = objective.Divide(batch, 2);
            parts.Count.ShouldBe(2);
            parts.Sum(part => part.Weight).ShouldBe(batch.Weight, 1e-9);
            parts.Sum(part => objective.Loss(part, metrics).item<float>() * part.Weight / batch.Weight).ShouldBe(objective.Loss(batch, metrics).item<float>(), 1e-5, loss.ToString());
        }
    }
}
