using Peft.Models;
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

    [Fact]
    public void Fields_of_another_number_of_rows_are_refused()
    {
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        var prompts = TrainingDataset.From(4, rows => new() { InputIds = ones([rows.Count, 1], ScalarType.Int64), Weight = rows.Count, Fields = [new()] });
        Should.Throw<ArgumentException>(() => new Trainer(peft, prompts, new() { MaxSteps = 1, BatchSize = 2 }) { Objective = new GrpoObjective(peft, OnlineRuns.Rollouts()) }.Train())
            .Message.ShouldContain("the fields of 1 rows, but 2 prompts");
    }

    // As in TRL: GRPO's losses are those of the distribution that was sampled. Completions are the most likely tokens, whatever the temperature.
    [Theory, InlineData("xpo", false), InlineData("nash", false), InlineData("grpo", true)]
    public void Online_preference_methods_take_the_model_at_temperature_1(string method, bool changes)
    {
        using var scope = NewDisposeScope();
        double Loss(double temperature)
        {
            using var peft = OnlineRuns.Policy(out var model);
            using var held = model;
            using (no_grad())
                foreach (var trained in peft.Trainables) trained.Value.add_(randn_like(trained.Value) * 0.2f);
            var rollouts = OnlineRuns.Rollouts(2) with { Temperature = temperature, TopK = 1, Rewards = [RewardFunction.Of("same", _ => 1)] };
            var losses = new List<double>();
            new Trainer(peft, OnlineRuns.Prompts(), new() { MaxSteps = 1, BatchSize = 4 }) { Objective = OnlineRuns.Objective(method, peft, rollouts) }
                .Train(new OnlineRuns.Reporter(progress => losses.Add(progress.Loss)));
            return losses.Single();
        }
        var (one, other) = (Loss(1), Loss(0.5));
        Math.Abs(one).ShouldBeGreaterThan(1e-5);
        if (changes) Math.Abs(other - one).ShouldBeGreaterThan(1e-3 * Math.Abs(one));
        else other.ShouldBe(one, 1e-6 * Math.Abs(one));
    }

    // With the divergence from the reference, the mean of LUSPO covers padding, of which the policy is not trained on any.
    [Fact]
    public void Padding_has_no_loss_of_luspo_with_an_entropy_quantile()
    {
        using var scope = NewDisposeScope();
        manual_seed(4);
        var mask = tensor(new long[] { 1, 1, 1, 0, 0, 1, 1, 1, 1, 1 }, [2, 5]);
        var completions = new Completions(new() { InputIds = randint(3, 20, [2, 8], ScalarType.Int64), Extra = new Dictionary<string, Tensor> { ["completion_mask"] = mask, ["advantages"] = tensor(new[] { 1f, -1f }) } }, countsPadding: true);
        var options = new GrpoOptions { Loss = GrpoLoss.Luspo, ImportanceLevel = ImportanceLevel.Sequence, Beta = 0.1, TopEntropyQuantile = 0.5 };
        var loss = new GrpoTerms(completions, (randn(2, 5).abs().neg(), rand(2, 5)), options).PerToken(null);
        loss.masked_select(mask.eq(0)).abs().sum().item<float>().ShouldBe(0);
        loss.count_nonzero().item<long>().ShouldBe(4, "half of the 8 tokens");
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
        new GrpoObjective(peft, OnlineRuns.Rollouts(), new() { Loss = loss, ImportanceLevel = level }).Warnings(peft, new(), OnlineRuns.Prompts()).Any().ShouldBe(warns);
    }

    // What the policy learned before is not part of the default reference, other than in TRL.
    [Theory, InlineData("dpo", true), InlineData("grpo", true), InlineData("rloo", true), InlineData("no beta", false)]
    public void A_policy_that_was_trained_before_is_warned_of_the_reference_without_it(string method, bool warns)
    {
        using var scope = NewDisposeScope();
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        Objective Make(Reference? reference) => method == "no beta" ? new GrpoObjective(peft, OnlineRuns.Rollouts(), null, reference)
            : method == "dpo" ? new DpoObjective(peft, null, reference) : method == "grpo" ? new GrpoObjective(peft, OnlineRuns.Rollouts(), new() { Beta = 0.1 }, reference) : new RlooObjective(peft, OnlineRuns.Rollouts(), null, reference);
        var early = Make(null);
        Warnings(early).ShouldBeEmpty();
        OnlineRuns.Metrics(peft, new GrpoObjective(peft, OnlineRuns.Rollouts()), new() { MaxSteps = 1, BatchSize = 4 });
        Warnings(early).ShouldBeEmpty("it began before");
        var late = Warnings(Make(null));
        if (warns) late.ShouldHaveSingleItem().ShouldContain("The adapter 'default' was trained before");
        else late.ShouldBeEmpty();
        Warnings(Make(Reference.Base)).ShouldBeEmpty();
        Warnings(Make(peft.AddReference())).ShouldBeEmpty();

        List<string> Warnings(Objective objective) => [.. objective.Warnings(peft, new(), OnlineRuns.Prompts())];
    }

    // As in TRL, a step without rewards of a function counts nothing in its mean.
    [Fact]
    public void Completions_without_a_reward_are_warned_of_and_leave_the_metrics_numbers()
    {
        using var peft = OnlineRuns.Policy(out var model);
        using var held = model;
        var (logger, steps) = (new ListLogger(), 0);
        var sometimes = RewardFunction.OfAll("sometimes", (completions, _) => Task.FromResult<IReadOnlyList<double?>>([.. completions.Select((_, i) => steps++ < 16 ? (double?)null : i % 2)]));
        var metrics = OnlineRuns.Metrics(peft, new GrpoObjective(peft, OnlineRuns.Rollouts(4) with { Rewards = [sometimes], Logger = logger }), new() { MaxSteps = 2, BatchSize = 4 });
        metrics[0].Keys.ShouldNotContain("reward");
        metrics[1]["reward"].ShouldBe(0.5);
        metrics.ShouldAllBe(step => step.Values.All(double.IsFinite));
        logger.Lines.First(line => line.Contains("got no reward", StringComparison.Ordinal)).ShouldStartWith("Warning: Step 1: 16 of 16 completions got no reward");
    }

    // A folder may say otherwise in generation_config.json than in config.json.
    [Fact]
    public void Completions_end_where_generation_ends()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        using (var made = TinyModel.Create()) made.SavePretrained(folder);
        folder.Write("generation_config.json", """{ "eos_token_id": [5, 6] }""");
        using var model = CausalLM.FromPretrained(folder);
        using var peft = model.ApplyLora(rank: 2);
        var objective = new GrpoObjective(peft, OnlineRuns.Rollouts());
        var batch = Sampling.ToBatch([new() { Row = 0, Prompt = [3], Tokens = [7, TinyModel.EndOfSequence, 5, 6], IsTruncated = false }], 0, masksTruncated: false, CPU);
        objective.EndTokens(batch).data<bool>().ToArray().ShouldBe([false, false, true, true]);
        new GrpoObjective(peft, OnlineRuns.Rollouts() with { EndTokenIds = [7] }).EndTokens(batch).data<bool>().ToArray().ShouldBe([true, false, false, false]);
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
