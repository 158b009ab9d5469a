using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class RewardTests
{
    internal static ModelConfig Config
    {
        get
        {
            using var model = TinyModel.Create();
            return model.Config;
        }
    }

    internal static SequenceClassifier Classifier(int labels = 1, int? vocabulary = null) => SequenceClassifier.FromConfig(vocabulary is { } size ? Config.With("vocab_size", size) : Config, seed: 3, new LoadOptions { LabelCount = labels });

    // The better text of a pair begins with the token 5, the other with 6.
    private static Batch Pairs(IReadOnlyList<int> rows)
    {
        var batch = Texts.Rows(rows);
        var (chosen, rejected) = (batch.InputIds.narrow(0, 0, rows.Count), batch.InputIds.narrow(0, rows.Count, rows.Count));
        chosen.narrow(1, 0, 4).fill_(5);
        rejected.narrow(1, 0, 4).fill_(6);
        return batch;
    }

    [Fact]
    public void A_reward_model_learns_preferences_and_its_adapter_holds_the_head()
    {
        using var model = Classifier();
        using var peft = model.ApplyLora(rank: 4);
        peft.Trainables.ShouldContain(each => each.Name.EndsWith("score.weight", StringComparison.Ordinal));
        var data = TrainingDataset.From(16, Pairs);
        var objective = new RewardObjective(peft, new() { CenterRewardsCoefficient = 0.01 });
        var trainer = new Trainer(peft, data, new TrainingOptions { MaxSteps = 15, BatchSize = 8, LearningRate = 1e-2, ParallelParts = 2, BestMetric = "accuracy", GreaterIsBetter = true })
        {
            Objective = objective, Evaluation = TrainingDataset.From(6, rows => Pairs([.. rows.Select(row => row + 100)])),
        };
        var result = trainer.Train();
        var evaluation = result.Evaluations[^1].Metrics;
        evaluation["accuracy"].ShouldBe(1);
        evaluation["margin"].ShouldBeGreaterThan(1);
        evaluation["min_reward"].ShouldBeLessThan(evaluation["mean_reward"]);
        evaluation["max_reward"].ShouldBeGreaterThan(evaluation["mean_reward"]);
        evaluation["calibration_error"].ShouldBeInRange(0, 0.5);
    }

    [Fact]
    public void Parts_of_a_batch_give_its_loss_and_metrics()
    {
        using var scope = NewDisposeScope();
        using var model = Classifier();
        using var peft = model.ApplyLora(rank: 4);
        var objective = new RewardObjective(peft);
        using var batch = Texts.Batch(5);
        using var margins = tensor([0.1f, 0.2f, 0.3f, 0.4f, 0.5f]);
        var whole = new Batch { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Extra = new Dictionary<string, Tensor> { ["margin"] = margins }, Weight = 5 };
        using var expected = new TrainingMetrics();
        using var actual = new TrainingMetrics();
        var loss = objective.Loss(whole, expected).item<float>();
        objective.Divide(whole, 2).Sum(part => objective.Loss(part, actual).item<float>() * part.Weight / 5).ShouldBe(loss, 1e-5);
        var means = actual.Means();
        foreach (var (name, value) in expected.Means()) means[name].ShouldBe(value, 1e-5, name);
    }

    [Theory]
    [InlineData(3, 0.01)]
    [InlineData(4, 0.24)]
    [InlineData(2, 0.26)]
    [InlineData(0, 0.76)]
    public void Calibration_is_the_gap_between_confidence_and_accuracy(int right, double expected)
    {
        using var scope = NewDisposeScope();
        using var metrics = new TrainingMetrics();
        // σ(log 0.76/0.24) is 0.76: right and wrong predictions with the same confidence, in two batches.
        var differences = Enumerable.Range(0, 4).Select(i => (float)(i < right ? Math.Log(0.76 / 0.24) : -Math.Log(0.76 / 0.24))).ToArray();
        Calibration.Add(metrics, tensor(differences[..1]));
        Calibration.Add(metrics, tensor(differences[1..]));
        metrics.Means()["calibration_error"].ShouldBe(expected, 1e-6);
    }

    [Fact]
    public void Bad_batches_and_models_are_refused()
    {
        using var scope = NewDisposeScope();
        using var model = Classifier();
        using var peft = model.ApplyLora(rank: 4);
        var objective = new RewardObjective(peft);
        Should.Throw<ArgumentException>(() => objective.Loss(Texts.Batch(3, texts: 1), new())).Message.ShouldContain("2 · pairs");
        var batch = Texts.Batch(2);
        var odd = new Batch { InputIds = batch.InputIds, AttentionMask = batch.AttentionMask, Extra = new Dictionary<string, Tensor> { ["margin"] = ones(3) } };
        Should.Throw<ArgumentException>(() => objective.Loss(odd, new())).Message.ShouldContain("margin is");
        using var three = Classifier(3);
        using var adapted = three.ApplyLora(rank: 4);
        Should.Throw<AdapterOptionsException>(() => new RewardObjective(adapted)).Message.ShouldContain("3 labels");
    }

    [Fact]
    public void A_process_reward_model_learns_which_steps_are_right()
    {
        using var model = TokenClassifier.FromConfig(Config, seed: 3, new LoadOptions { LabelCount = 2 });
        using var peft = model.ApplyLora(rank: 4);
        // A step is the token 5 if right or 6 if wrong, and a separator.
        Batch Steps(IReadOnlyList<int> rows)
        {
            var (ids, labels) = (full(rows.Count, 6, 3L, ScalarType.Int64), full(rows.Count, 6, Batch.IgnoredLabel, ScalarType.Int64));
            for (var i = 0; i < rows.Count; i++)
                for (var step = 0; step < 3; step++)
                {
                    var right = (rows[i] >> step) & 1;
                    ids[i, 2 * step] = tensor(6L - right);
                    labels[i, 2 * step + 1] = tensor((long)right);
                }
            return new() { InputIds = ids, Labels = labels, Weight = 3 * rows.Count };
        }
        var metrics = new Dictionary<string, double>();
        new Trainer(peft, TrainingDataset.From(8, Steps), new TrainingOptions { MaxSteps = 30, BatchSize = 8, LearningRate = 1e-2 }) { Objective = new ProcessRewardObjective(peft) }
            .Train(new Last(progress => metrics = progress.Metrics.ToDictionary()));
        metrics["accuracy"].ShouldBe(1);
        using var unlabelled = new Batch { InputIds = ones(1, 6, ScalarType.Int64) };
        Should.Throw<ArgumentException>(() => new ProcessRewardObjective(peft).Loss(unlabelled, new())).Message.ShouldContain("no labels");
    }

    private sealed class Last(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
