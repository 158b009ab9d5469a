using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests.Online;

public sealed class RolloutTests : IDisposable
{
    private const int Wanted = 7;

    private readonly string folder = Directory.CreateTempSubdirectory("peft-online").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private static double Share(Completion completion) => completion.Tokens.Count(token => token == Wanted) / (double)completion.Tokens.Count;

    private static RolloutOptions Rollouts(int generations = 8) => new()
    {
        Rewards = [RewardFunction.Of("share", completion => Share(completion))], Generations = generations, MaxCompletionLength = 6, LoggedSamples = 0,
    };

    /// <summary>Prompts of different lengths, padded on the left.</summary>
    private static TrainingDataset Prompts(int rows = 4) => TrainingDataset.From(rows, indices =>
    {
        var (ids, mask) = (new long[indices.Count * 3], new long[indices.Count * 3]);
        for (var i = 0; i < indices.Count; i++)
            for (var k = indices[i] % 2; k < 3; k++) (ids[i * 3 + k], mask[i * 3 + k]) = (3 + indices[i] + k, 1);
        return new() { InputIds = tensor(ids, [indices.Count, 3]), AttentionMask = tensor(mask, [indices.Count, 3]), Weight = indices.Count };
    });

    private static PeftModel Policy(out Models.CausalLM model)
    {
        model = TinyModel.Create();
        manual_seed(1);   // for the adapter
        return model.ApplyLora(rank: 4);
    }

    private static List<double> Rewards(PeftModel peft, Objective objective, int steps, double rate = 2e-2)
    {
        var rewards = new List<double>();
        new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = steps, BatchSize = 4, LearningRate = rate, Schedule = LearningRateSchedule.Constant }) { Objective = objective }
            .Train(new Reporter(progress => rewards.Add(progress.Metrics.GetValueOrDefault("reward", double.NaN))));
        return [.. rewards.Where(reward => !double.IsNaN(reward))];
    }

    [Theory, InlineData(GrpoLoss.Dapo), InlineData(GrpoLoss.Grpo), InlineData(GrpoLoss.Gmpo)]
    public void Grpo_raises_the_reward(GrpoLoss loss)
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var rewards = Rewards(peft, new GrpoObjective(peft, Rollouts(), new GrpoOptions { Loss = loss, Beta = 0.01 }), 25);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    [Fact]
    public void Rloo_raises_the_reward()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var rewards = Rewards(peft, new RlooObjective(peft, Rollouts(8), new RlooOptions { Beta = 0.001 }), 25);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    [Fact]
    public void Ppo_raises_the_reward_with_values_from_another_adapter_of_the_base()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        using var values = ValueModel.Adapter(peft);
        var models = new ActorCritic(peft, values);
        var rewards = new List<double>();
        new Trainer(models, Prompts(16), new TrainingOptions { MaxSteps = 60, BatchSize = 16, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant })
        {
            Objective = new PpoObjective(models, Rollouts(2) with { Iterations = 2 }, new PpoOptions { KlCoefficient = 0.001, KlTarget = 5 }),
        }.Train(new Reporter(progress =>
        {
            if (progress.Metrics.TryGetValue("reward", out var reward)) rewards.Add(reward);
        }));
        rewards.Count.ShouldBe(30);
        rewards.TakeLast(3).Average().ShouldBeGreaterThan(rewards.Take(3).Average() + 0.3);
    }

    [Theory, InlineData("xpo"), InlineData("nash"), InlineData("dpo")]
    public void Online_preference_methods_raise_the_reward(string method)
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        Objective objective = method switch
        {
            "xpo" => new XpoObjective(peft, Rollouts(2)),
            "nash" => new NashObjective(peft, Rollouts(2), new NashOptions { Beta = 0.01 }),
            _ => new OnlineDpoObjective(peft, Rollouts(2)),
        };
        var rewards = new List<double>();
        new Trainer(peft, Prompts(16), new TrainingOptions { MaxSteps = 40, BatchSize = 16, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant }) { Objective = objective }
            .Train(new Reporter(progress => rewards.Add(progress.Metrics["rewards/share/mean"])));
        rewards.TakeLast(5).Average().ShouldBeGreaterThan(rewards.Take(5).Average() + 0.1);
    }

    [Fact]
    public void Completions_last_for_all_their_steps_and_off_policy_steps_have_other_ratios()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var held = model;
        var seen = 0;
        var rollouts = Rollouts() with
        {
            MiniBatches = 2,
            Iterations = 2,
            Rewards = [RewardFunction.OfAll("share", (completions, _) =>
        {
            seen++;
            return Task.FromResult<IReadOnlyList<double?>>([.. completions.Select(each => (double?)Share(each))]);
        })]
        };
        var metrics = new List<IReadOnlyDictionary<string, double>>();
        new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = 8, BatchSize = 4, LearningRate = 5e-2 }) { Objective = new GrpoObjective(peft, rollouts) }
            .Train(new Reporter(progress => metrics.Add(progress.Metrics)));
        seen.ShouldBe(2);
        metrics.Select(each => each.ContainsKey("reward")).ShouldBe([true, false, false, false, true, false, false, false]);
        metrics[0]["clip_ratio/region_mean"].ShouldBe(0, "the first step is on-policy");
        metrics.Max(each => each["clip_ratio/region_mean"]).ShouldBeGreaterThan(0);
    }

    [Theory, InlineData("grpo", 1), InlineData("grpo", 3), InlineData("grpo", 4), InlineData("adaptive entropy", 3), InlineData("rloo", 3), InlineData("ppo", 3), InlineData("ppo", 4), InlineData("online dpo", 3), InlineData("xpo", 1), InlineData("nash", 3)]
    public void A_run_that_is_resumed_in_the_middle_of_its_completions_ends_bit_identical(string method, int stop)
    {
        using var scope = NewDisposeScope();
        float[] Run(string name, int? stopAt, string? resume)
        {
            using var peft = Policy(out var model);
            using var _ = model;
            var options = new TrainingOptions { MaxSteps = 8, BatchSize = 2, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant, OutputFolder = Path.Combine(folder, name), SaveEverySteps = 1, ResumeFrom = resume, KeepCheckpoints = null };
            using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
            ITrainable trained = values is null ? peft : new ActorCritic(peft, values);
            var rollouts = Rollouts(method is "grpo" or "rloo" or "adaptive entropy" ? 4 : 2) with { MiniBatches = 2, Iterations = 2 };
            Objective objective = method switch
            {
                "grpo" => new GrpoObjective(peft, rollouts, new GrpoOptions { Beta = 0.05 }),
                "adaptive entropy" => new GrpoObjective(peft, rollouts, new GrpoOptions { EntropyTarget = 10 }),   // the coefficient rises
                "rloo" => new RlooObjective(peft, rollouts),
                "ppo" => new PpoObjective((ActorCritic)trained, rollouts, new PpoOptions { KlTarget = 0.1, KlHorizon = 50 }),   // the coefficient moves
                "xpo" => new XpoObjective(peft, rollouts),
                "nash" => new NashObjective(peft, rollouts),
                _ => new OnlineDpoObjective(peft, rollouts),
            };
            new Trainer(trained, Prompts(), options) { Objective = objective, Callbacks = stopAt is { } at ? [new StopAt(at)] : [] }.Train();
            return [.. trained.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];
        }
        var whole = Run("whole", null, null);
        Run("part", stop, null).ShouldNotBe(whole);
        Run("rest", null, Trainer.FindLastCheckpoint(Path.Combine(folder, "part"))).ShouldBe(whole);
    }

    [Theory, InlineData("grpo"), InlineData("rloo"), InlineData("ppo"), InlineData("online dpo"), InlineData("nash")]
    public void An_evaluation_generates_and_scores_completions_of_its_prompts_and_changes_nothing(string method)
    {
        using var scope = NewDisposeScope();
        float[] Run(bool evaluates, List<EvaluationResult> evaluations)
        {
            using var peft = Policy(out var model);
            using var _ = model;
            using var values = method == "ppo" ? ValueModel.Adapter(peft) : null;
            ITrainable trained = values is null ? peft : new ActorCritic(peft, values);
            var rollouts = Rollouts(method is "grpo" or "rloo" ? 4 : 2) with { MiniBatches = 2 };
            Objective objective = method switch
            {
                "grpo" => new GrpoObjective(peft, rollouts, new GrpoOptions { Beta = 0.05 }),
                "rloo" => new RlooObjective(peft, rollouts),
                "ppo" => new PpoObjective((ActorCritic)trained, rollouts, new PpoOptions { KlTarget = 0.1, KlHorizon = 50 }),
                "nash" => new NashObjective(peft, rollouts),
                _ => new OnlineDpoObjective(peft, rollouts),
            };
            var options = new TrainingOptions { MaxSteps = 6, BatchSize = 4, EvaluationBatchSize = 3, LearningRate = 2e-2, Schedule = LearningRateSchedule.Constant, EvaluateEverySteps = evaluates ? 1 : null };
            var trainer = new Trainer(trained, Prompts(), options) { Objective = objective, Evaluation = evaluates ? Prompts(5) : null };
            evaluations.AddRange(trainer.Train().Evaluations);
            if (evaluates)
            {
                var (one, other) = (trainer.Evaluate(), trainer.Evaluate());
                other.Loss.ShouldBe(one.Loss);
                other.Metrics.ShouldBe(one.Metrics);
                one.Metrics["reward"].ShouldBe(evaluations[^1].Metrics["reward"]);
            }
            return [.. trained.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];
        }
        var evaluations = new List<EvaluationResult>();
        Run(true, evaluations).ShouldBe(Run(false, []));
        evaluations.Count.ShouldBe(6);
        evaluations.ShouldAllBe(each => each.Metrics["completions/mean_length"] >= 1 && each.Metrics["completions/max_length"] <= 6 && each.Metrics["reward"] >= 0 && each.Metrics["reward"] <= 1);
        evaluations.Select(each => each.Loss).Distinct().Count().ShouldBeGreaterThan(1, "the policy changes");
    }

    [Theory, InlineData(true), InlineData(false)]
    public void A_reward_that_takes_long_ends_with_the_run_which_resumes_bit_identical(bool saves)
    {
        using var scope = NewDisposeScope();
        float[] Run(string name, CancellationTokenSource? stop, string? resume)
        {
            using var peft = Policy(out var model);
            using var _ = model;
            var calls = 0;
            var slow = RewardFunction.OfAll("share", async (completions, cancellation) =>
            {
                if (++calls == 3 && stop is not null)
                {
                    stop.CancelAfter(20);
                    await Task.Delay(Timeout.Infinite, cancellation);
                }
                return [.. completions.Select(each => (double?)Share(each))];
            });
            var options = new TrainingOptions { MaxSteps = 6, BatchSize = 2, LearningRate = 2e-2, OutputFolder = Path.Combine(folder, name), SaveEverySteps = 100, SaveOnCancel = saves, ResumeFrom = resume };
            var trainer = new Trainer(peft, Prompts(16), options) { Objective = new GrpoObjective(peft, Rollouts() with { Rewards = [slow] }) };
            if (stop is null) trainer.Train();
            else Should.Throw<TrainingCanceledException>(() => trainer.Train(cancellationToken: stop.Token)).Result.Steps.ShouldBe(2);
            return [.. peft.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];
        }
        using var stop = new CancellationTokenSource();
        Run("part", stop, null);
        var last = Trainer.FindLastCheckpoint(Path.Combine(folder, "part"));
        if (!saves)
        {
            last.ShouldBeNull();
            return;
        }
        Path.GetFileName(last).ShouldBe("checkpoint-2");
        Run("rest", null, last).ShouldBe(Run("whole", null, null));
    }

    [Fact]
    public void Samples_of_completions_are_in_the_logs_of_steps_and_evaluations()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var (board, lines) = (Path.Combine(folder, "board"), Path.Combine(folder, "log.jsonl"));
        var result = new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = 2, BatchSize = 4, EvaluationBatchSize = 2, LogEverySteps = 1, TensorBoardFolder = board, JsonLogFile = lines })
        {
            Objective = new GrpoObjective(peft, Rollouts(2) with { LoggedSamples = 3 }), Evaluation = Prompts(),
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

    [Fact]
    public void Lengths_truncated_completions_and_groups_without_variance_are_reported()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var (seen, logger) = (new List<Completion>(), new ListLogger());
        var reward = RewardFunction.Of("prompt", completion =>
        {
            seen.Add(completion);
            return completion.Row;   // the same for all completions of a prompt
        });
        var metrics = new List<IReadOnlyDictionary<string, double>>();
        new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = 1, BatchSize = 4 }) { Objective = new GrpoObjective(peft, Rollouts(4) with { Rewards = [reward], Logger = logger, MaxCompletionLength = 20 }) }
            .Train(new Reporter(progress => metrics.Add(progress.Metrics)));
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
            using var peft = Policy(out var model);
            using var _ = model;
            var steps = new List<TrainingProgress>();
            new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = count, BatchSize = 4, LearningRate = 2e-2, ParallelParts = 2 }) { Objective = new GrpoObjective(peft, Rollouts(), options) }.Train(new Reporter(steps.Add));
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

    // Ziegler et al. 2019, section 2.2.
    [Fact]
    public void The_coefficient_of_ppo_adapts_to_its_target_in_proportion_to_the_bounded_error()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        using var values = ValueModel.Adapter(peft);
        var models = new ActorCritic(peft, values);
        var metrics = new List<IReadOnlyDictionary<string, double>>();
        new Trainer(models, Prompts(), new TrainingOptions { MaxSteps = 8, BatchSize = 4, LearningRate = 5e-2 }) { Objective = new PpoObjective(models, Rollouts(2), new PpoOptions { KlCoefficient = 0.1, KlTarget = 0.02, KlHorizon = 100 }) }
            .Train(new Reporter(progress => metrics.Add(progress.Metrics)));
        var expected = 0.1;
        var errors = new List<double>();
        foreach (var step in metrics)
        {
            step["objective/kl_coefficient"].ShouldBe(expected, 1e-6);
            errors.Add(step["objective/kl"] / 0.02 - 1);
            expected *= 1 + Math.Clamp(errors[^1], -0.2, 0.2) * 8 / 100;
        }
        errors.Min().ShouldBeLessThan(-0.2, "at first policy and reference are equal");
        errors.Max().ShouldBeGreaterThan(0.2);
    }

    [Fact]
    public void Each_pass_of_ppo_over_its_completions_shuffles_them()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        using var values = ValueModel.Adapter(peft);
        var objective = new PpoObjective(new ActorCritic(peft, values), Rollouts(2) with { MiniBatches = 2, Iterations = 3 });
        using var metrics = new TrainingMetrics();
        manual_seed(5);
        using var prompts = Prompts(8).GetBatch([.. Enumerable.Range(0, 8)]);
        var seen = new List<string>();
        for (var step = 0; step < 6; step++)
        {
            var part = objective.Prepare([prompts], step, metrics)[0];
            part.InputIds.shape[0].ShouldBe(8);
            seen.Add(string.Join(' ', Enumerable.Range(0, 8).Select(row => string.Join(',', part.InputIds[row].data<long>().ToArray())).Order(StringComparer.Ordinal)));
        }
        seen.Distinct().Count().ShouldBe(6, "each half of each pass holds other completions");
        seen.Chunk(2).Select(pass => string.Join(' ', pass.SelectMany(half => half.Split(' ')).Order(StringComparer.Ordinal))).Distinct().Count().ShouldBe(1, "each pass sees all of them");
    }

    [Theory, InlineData(1e-4, StopReason.Callback), InlineData(1e4, StopReason.Completed)]
    public void A_run_ends_when_the_policy_moves_too_far_from_its_reference(double bound, StopReason expected)
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var trainer = new Trainer(peft, Prompts(), new TrainingOptions { MaxSteps = 6, BatchSize = 4, LearningRate = 5e-2 })
        {
            Objective = new GrpoObjective(peft, Rollouts(), new GrpoOptions { Beta = 0.01 }), Callbacks = [new KlStop(bound)],
        };
        var result = trainer.Train();
        result.StopReason.ShouldBe(expected);
        if (expected == StopReason.Callback) result.Steps.ShouldBeInRange(2, 5);   // policy and reference are equal at first
    }

    [Fact]
    public void A_checkpoint_without_the_completions_that_are_in_use_is_refused()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        var objective = new GrpoObjective(peft, Rollouts() with { Iterations = 2 });
        objective.LoadState(new Dictionary<string, Tensor>());
        using var batch = Prompts().GetBatch([0]);
        using var metrics = new TrainingMetrics();
        Should.Throw<TrainingException>(() => objective.Prepare([batch], 1, metrics)).Message.ShouldContain("earlier step");
        Should.Throw<TrainingException>(() => objective.LoadState(new Dictionary<string, Tensor> { ["rollout.0.0.InputIds"] = ones(1, 2) })).Message.ShouldContain("another objective");
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
        using var peft = Policy(out var model);
        using var held = model;
        Error(tensor(new long[] { 3, 0 }, [2, 1]), tensor(new long[] { 1, 0 }, [2, 1])).ShouldContain("Prompt 1 of the batch has no tokens");
        Error(full([1, 64], 5, ScalarType.Int64), ones([1, 64], ScalarType.Int64)).ShouldContain("Prompt 0 of the batch has 64 tokens");

        string Error(Tensor ids, Tensor mask)
        {
            using var metrics = new TrainingMetrics();
            return Should.Throw<TrainingException>(() => new GrpoObjective(peft, Rollouts()).Prepare([new() { InputIds = ids, AttentionMask = mask }], 0, metrics)).Message;
        }
    }

    [Fact]
    public void A_missing_reward_gives_no_advantage_and_settings_that_cannot_work_are_refused()
    {
        var rewards = new RewardTable(["a", "b"], [1, 2], [[1, double.NaN], [double.NaN, double.NaN], [3, 1], [2, 0]], 4);
        var advantages = GroupAdvantages.Of(rewards, RewardScaling.None, RewardAggregation.SumThenNormalize, out _);
        advantages.Select(each => Math.Round(each, 6)).ShouldBe([1 - 8 / 3.0, 0, 5 - 8 / 3.0, 2 - 8 / 3.0], 1e-6);
        using var peft = Policy(out var model);
        using var held = model;
        Should.Throw<TrainingException>(() => new Trainer(peft, Prompts()) { Objective = new GrpoObjective(peft, Rollouts(1), new GrpoOptions { Loss = GrpoLoss.Cispo }) }.Train()).Message
            .ShouldSatisfyAllConditions(message => message.ShouldContain("Generations must be 2 or more"), message => message.ShouldContain("EpsilonHigh is the bound"));
    }

    [Fact]
    public void Parts_of_a_batch_give_its_loss()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        foreach (var loss in new[] { GrpoLoss.Dapo, GrpoLoss.Grpo, GrpoLoss.Bnpo, GrpoLoss.DrGrpo, GrpoLoss.Gmpo })
        {
            var objective = new GrpoObjective(peft, Rollouts(3) with { MiniBatches = 2 }, new GrpoOptions { Loss = loss, Beta = 0.1 });
            using var metrics = new TrainingMetrics();
            manual_seed(5);
            using var prompts = Prompts().GetBatch([0, 1, 2]);
            var batch = objective.Prepare([prompts], 0, metrics)[0];
            var parts = objective.Divide(batch, 2);
            parts.Count.ShouldBe(2);
            parts.Sum(part => part.Weight).ShouldBe(batch.Weight, 1e-9);
            parts.Sum(part => objective.Loss(part, metrics).item<float>() * part.Weight / batch.Weight).ShouldBe(objective.Loss(batch, metrics).item<float>(), 1e-5, loss.ToString());
        }
    }

    [Fact]
    public void Parts_of_a_batch_of_ppo_give_its_loss_gradients_and_metrics()
    {
        using var scope = NewDisposeScope();
        using var peft = Policy(out var model);
        using var _ = model;
        using var values = ValueModel.Adapter(peft);
        var models = new ActorCritic(peft, values);
        var objective = new PpoObjective(models, Rollouts(3) with { MaxCompletionLength = 12 });
        using var rollout = new TrainingMetrics();
        manual_seed(5);
        using var prompts = Prompts().GetBatch([0, 1, 2]);
        var batch = objective.Prepare([prompts], 0, rollout)[0];
        new Completions(batch).Lengths.unique().output.numel().ShouldBeGreaterThan(1, "parts have different numbers of tokens");
        using (no_grad())
        {
            // So that ratios are not 1, nor values those at generation.
            foreach (var tensor in models.Trainables) tensor.Value.add_(randn_like(tensor.Value) * 0.05, 1);
        }
        var parts = objective.Divide(batch, 2);
        parts.Count.ShouldBe(2);
        using var metrics = new TrainingMetrics();
        var tensors = models.Trainables.Select(each => (Tensor)each.Value).ToList();
        values.RequireGradients();
        var whole = objective.Loss(batch, metrics);
        var gradients = autograd.grad([whole], tensors);
        foreach (var divided in new[] { parts, [.. parts.SelectMany(part => objective.Divide(part, 2))] })
        {
            using var partMetrics = new TrainingMetrics();
            var sum = divided.Select(part => objective.Loss(part, partMetrics) * (part.Weight / batch.Weight)).Aggregate((a, b) => a + b);
            sum.item<float>().ShouldBe(whole.item<float>(), 1e-5);
            foreach (var (a, b) in gradients.Zip(autograd.grad([sum], tensors))) (a - b).abs().max().item<float>().ShouldBeLessThan(1e-5f + 1e-3f * a.abs().max().item<float>());
            var (expected, actual) = (metrics.Means(), partMetrics.Means());
            actual.Keys.ShouldBe(expected.Keys, ignoreOrder: true);
            foreach (var (name, value) in expected) actual[name].ShouldBe(value, 1e-4 + 1e-4 * Math.Abs(value), name);
        }
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    private sealed class StopAt(int step) : ITrainerCallback
    {
        public void OnStepEnd(TrainingProgress progress, TrainerControl control)
        {
            if (progress.Step == step) control.Stop();
        }
    }
}
