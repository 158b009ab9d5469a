using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Alignment;

/// <summary>Proximal policy optimization, as TRL's PPOTrainer computes it.</summary>
public sealed class PpoTests
{
    public static TheoryData<string> Cases => AlignmentCase.Of("ppo");

    [Theory, MemberData(nameof(Cases))]
    public void Rewards_advantages_and_returns_of_a_rollout(string id)
    {
        using var run = new Run(id);
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var expected = run.Case.Expected;
        var (rollout, returns) = run.Rollout();
        expected.ShouldEqual("sequence_lengths", rollout.Mask.sum(dim: 1).to_type(ScalarType.Int64).sub(1));
        rollout.Mask.eq(0).equal(expected.Read("padding_mask")).all().item<bool>().ShouldBeTrue();
        returns.ValueMask.eq(0).equal(expected.Read("padding_mask_p1")).all().item<bool>().ShouldBeTrue();
        // Beyond the completion the oracle's log-probabilities are 1.
        var padding = rollout.Mask.eq(0);
        expected.ShouldEqual("logprobs", run.Old.masked_fill(padding, 1));
        expected.ShouldEqual("ref_logprobs", run.ReferenceOf(rollout).masked_fill(padding, 1));
        expected.ShouldEqual("scores", run.Scores().squeeze(1));
        expected.ShouldEqual("values", returns.Values);
        expected.ShouldEqual("kl", returns.Kl);
        expected.ShouldEqual("non_score_reward", returns.Penalties);
        expected.ShouldEqual("rewards", returns.Rewards);
        expected.ShouldEqual("advantages", returns.Advantages);
        expected.ShouldEqual("returns", returns.Returns);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Loss_and_gradients(string id)
    {
        using var run = new Run(id);
        using var metrics = new TrainingMetrics();
        for (var part = 0; part < run.MiniBatches; part++)
        {
            var loss = run.Objective.Loss(run.MiniBatch(part), metrics);
            if (part == 0)
            {
                run.Case.Expected.ShouldEqual("loss", loss.reshape(1));
                run.Case.Expected.ShouldEqual("first.pg_loss", tensor((float)metrics.Means()["loss/policy_avg"]).reshape(1));
                run.Case.Expected.ShouldEqual("first.vf_loss", tensor((float)metrics.Means()["loss/value_avg"]).reshape(1));
            }
            loss.div(run.MiniBatches).backward();
        }
        run.Case.Expected.ShouldEqual("grad.", key => run.Find(key)?.grad);
    }

    [Theory, MemberData(nameof(Cases))]
    public void Training_and_metrics(string id)
    {
        using var run = new Run(id);
        var expected = run.Case.Expected;
        var steps = run.Case.Json.GetProperty("training").GetProperty("steps").GetInt32();
        var means = new Dictionary<string, List<double>>();
        var trainer = new Trainer(run.Models, TrainingDataset.From(steps * run.MiniBatches, rows => run.MiniBatch(rows[0])), new TrainingOptions
        {
            MaxSteps = steps, BatchSize = 1, GradientAccumulation = run.MiniBatches, Shuffle = false, LearningRate = 1e-2, Schedule = LearningRateSchedule.Constant, MaxGradientNorm = null,
            Optimizer = new AdamWOptions { WeightDecay = 0 }, MissingGradients = MissingGradientPolicy.Ignore,
        })
        {
            Objective = run.Objective,
        };
        using var rollout = new TrainingMetrics();
        run.Report(rollout);
        var losses = trainer.Train(new Reporter(progress =>
        {
            foreach (var (name, value) in progress.Metrics) (means.TryGetValue(name, out var list) ? list : means[name] = []).Add(value);
        })).Losses;
        var trajectory = expected.Read("loss_trajectory").data<float>().ToArray();
        losses.Count.ShouldBe(steps);
        // A step's loss is the mean of those of its mini-batches.
        for (var step = 0; step < steps; step++) losses[step].ShouldBe(trajectory.Skip(step * run.MiniBatches).Take(run.MiniBatches).Average(), 2e-4 + 1e-3 * Math.Abs(losses[step]));
        foreach (var key in expected.Below("trained."))
        {
            // The oracle's own tolerance of trained tensors: five times that of others.
            var value = expected.Read("trained." + key);
            run.Find(key)!.detach().sub(value).abs().sub(value.abs().mul(1e-3)).max().item<float>().ShouldBeLessThan(5 * 2e-4f, key);
        }
        var all = rollout.Means().Concat(means.Select(pair => KeyValuePair.Create(pair.Key, pair.Value.Average()))).ToDictionary();
        foreach (var metric in run.Case.Json.GetProperty("metrics").EnumerateObject())
        {
            // With several mini-batches the oracle's statistics of steps are means of arrays that are filled only in part.
            var isOfSteps = means.ContainsKey(metric.Name);
            if (metric.Name == "val/ratio_var")
            {
                if (run.MiniBatches == 1) Statistics.Deviation(means["val/ratio"]).ShouldBe(Math.Sqrt(metric.Value.GetDouble()), 1e-3);
                continue;
            }
            var value = metric.Value.GetDouble() * (isOfSteps ? run.MiniBatches : 1);
            all[metric.Name].ShouldBe(value, 2e-4 + 1e-3 * Math.Abs(value), metric.Name);
        }
    }

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }

    /// <summary>A case with its value model.</summary>
    private sealed class Run : IDisposable
    {
        private readonly CausalLM body;
        private readonly long context, width;
        private readonly Tensor ids, mask, completionMask;
        private readonly DisposeScope scope = NewDisposeScope();
        private readonly Dictionary<string, Tensor> rollout;

        public Run(string id)
        {
            Case = new AlignmentCase(id);
            body = CausalLM.FromPretrained(Case.Base);
            Values = ValueModel.Model(new ModuleTrainable(body));
            using (no_grad()) Values.Head.copy_(Case.Expected.Read("value.score.weight"));
            Models = new ActorCritic(Case.Peft, Values);
            Case.Peft.Module.train();
            body.train();
            var rollouts = new RolloutOptions { Rewards = [RewardFunction.Of("score", _ => null)], Temperature = Case.Number("temperature"), EndTokenIds = [Case.Json.GetProperty("eos_token_id").GetInt32()] };
            Options = new PpoOptions
            {
                KlCoefficient = Case.Number("kl_coef"), KlEstimator = Enum.Parse<KlEstimator>(Case.Config.GetProperty("kl_estimator").GetString()!, ignoreCase: true),
                ClipRange = Case.Number("cliprange"), ValueClipRange = Case.Number("cliprange_value"), ValueCoefficient = Case.Number("vf_coef"), Gamma = Case.Number("gamma"),
                Lambda = Case.Number("lam"), WhitenRewards = Case.Flag("whiten_rewards"), MissingEosPenalty = Case.Optional("missing_eos_penalty"),
            };
            Objective = new PpoObjective(Models, rollouts, Options);
            (context, width) = (Case.Expected.Read("queries").shape[1], Case.Expected.Read("responses").shape[1]);
            ids = cat([Case.Expected.Read("queries"), Case.Expected.Read("responses")], 1);
            mask = ids.ne(Padding).to_type(ScalarType.Int64);
            // Up to the token before the first padding of the response that was cut after its stop token.
            completionMask = Case.Expected.Read("postprocessed_responses").eq(Padding).to_type(ScalarType.Int64).cumsum(1).eq(0).to_type(ScalarType.Int64);
            if (Case.Optional("stop_token_id") is { } stop)
            {
                var after = Case.Expected.Read("responses").eq(stop).to_type(ScalarType.Int64).cumsum(1).sub(Case.Expected.Read("responses").eq(stop).to_type(ScalarType.Int64));
                Case.Expected.Read("responses").masked_fill(after.gt(0), Padding).equal(Case.Expected.Read("postprocessed_responses")).all().item<bool>().ShouldBeTrue();
            }
            using var without = no_grad();
            var (_, returns) = Rollout();
            rollout = new(Whole(ids).Extra)
            {
                ["ids"] = ids, ["mask"] = mask, ["old_per_token_logps"] = Old, ["value_mask"] = returns.ValueMask, ["values"] = returns.Values,
                ["advantages"] = returns.Advantages, ["returns"] = returns.Returns,
            };
        }

        public AlignmentCase Case { get; }

        public ValueModel Values { get; }

        public ActorCritic Models { get; }

        public PpoOptions Options { get; }

        public PpoObjective Objective { get; }

        public int MiniBatches => (int)Case.Number("num_mini_batches");

        public Tensor Old => Case.Expected.Read("rollout_logprobs").mul(completionMask);

        private int Padding => Case.Json.GetProperty("pad_token_id").GetInt32();

        private Batch Whole(Tensor all)
        {
            var real = all.ne(Padding).to_type(ScalarType.Int64);
            return new()
            {
                InputIds = all, AttentionMask = real,
                Extra = new Dictionary<string, Tensor> { ["completion_mask"] = completionMask.alias(), ["position_ids"] = real.cumsum(1).sub(real) },
            };
        }

        public Tensor ReferenceOf(Completions completions) => completions.PredictByReference(Objective.Policy, Case.Number("temperature"));

        /// <summary>The reward model's value at the last token of the cut response.</summary>
        public Tensor Scores()
        {
            using var reward = ValueModel.Model(new ModuleTrainable(body));
            reward.Head.copy_(Case.Expected.Read("reward.score.weight"));
            var cut = Case.Expected.Read("postprocessed_responses");
            var last = completionMask.sum(dim: 1, keepdim: true).add(context - 1, 1);
            var scores = reward.Values(Whole(cat([Case.Expected.Read("queries"), cut], 1))).gather(1, last);
            if (Options.MissingEosPenalty is not { } penalty) return scores;
            return scores.sub(cut.eq(Case.Json.GetProperty("eos_token_id").GetInt32()).any(1).logical_not().to_type(ScalarType.Float32).unsqueeze(1).mul(penalty));
        }

        public (Completions Completions, PpoReturns Returns) Rollout()
        {
            var batch = Whole(ids.alias());
            var completions = new Completions(batch);
            var values = Values.Values(batch);
            return (completions, new(Old, ReferenceOf(completions), completions.Of(values.narrow(1, 0, values.shape[1] - 1)), Scores(), completions.Mask, Options, Options.KlCoefficient));
        }

        public void Report(TrainingMetrics metrics)
        {
            using var inner = NewDisposeScope();
            using var _ = no_grad();
            var (completions, returns) = Rollout();
            Objective.Report(metrics, returns, Old, Scores(), completions.Mask);
            metrics.Add("val/num_eos_tokens", Objective.EndTokens(Whole(ids.alias())).sum());
        }

        /// <summary>A mini-batch in the order of the case's permutations.</summary>
        public Batch MiniBatch(int number)
        {
            var permutation = Case.Expected.Read("permutations");
            var rows = permutation.shape[1] / MiniBatches;
            var index = permutation[number / MiniBatches].narrow(0, number % MiniBatches * rows, rows);
            var chosen = rollout.ToDictionary(pair => pair.Key, pair => pair.Value.index_select(0, index));
            chosen.Remove("ids", out var own);
            chosen.Remove("mask", out var real);
            return new() { InputIds = own!, AttentionMask = real, Extra = chosen };
        }

        public Tensor? Find(string key) => key.StartsWith("value.", StringComparison.Ordinal)
            ? Values.Trainables.SingleOrDefault(each => each.Name == key)?.Value
            : Case.Peft.Trainables.SingleOrDefault(each => each.Name == key)?.Value;

        public void Dispose()
        {
            Values.Dispose();
            scope.Dispose();
            body.Dispose();
            Case.Dispose();
        }
    }
}
