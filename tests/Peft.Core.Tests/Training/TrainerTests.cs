using System.Globalization;
using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

public class TrainerTests
{
    [Fact]
    public void Learns_a_sum()
    {
        var model = Runs.Line();
        var result = new Trainer(model, Runs.Rows(64), new() { Epochs = 30, LearningRate = 0.05 }).Train();
        result.StopReason.ShouldBe(StopReason.Completed);
        result.Steps.ShouldBe(240);
        result.Losses.Count.ShouldBe(240);
        result.Losses[^1].ShouldBeLessThan(1e-3 * result.Losses[0]);
        result.Tokens.ShouldBe(30 * 64);
        result.TokensPerSecond.ShouldBeGreaterThan(0);
        model.Trainables[0].Value.is_leaf.ShouldBeTrue();
        model.Trainables[0].Value.grad.ShouldBeNull();
    }

    [Fact]
    public void Equals_a_plain_loop_with_the_optimizer_and_clipping_of_torch()
    {
        var rows = Runs.Rows(24);
        var options = new TrainingOptions { MaxSteps = 6, BatchSize = 4, Shuffle = false, LearningRate = 0.02, Schedule = LearningRateSchedule.Constant, MaxGradientNorm = 0.5 };
        var own = Runs.Line();
        var losses = new Trainer(own, rows, options).Train().Losses;

        var other = Runs.Line();
        var parameters = other.Trainables.Select(tensor => tensor.Value).ToArray();
        var optimizer = optim.AdamW(parameters, 0.02, weight_decay: 0);
        for (var step = 0; step < 6; step++)
        {
            using var batch = rows.GetBatch([.. Enumerable.Range(step * 4, 4)]);
            optimizer.zero_grad();
            var loss = ((Line)other.Module).Loss(batch);
            loss.backward();
            nn.utils.clip_grad_norm_(parameters, 0.5);
            optimizer.step();
            losses[step].ShouldBe(loss.item<float>(), 1e-6);   // float32 rounding of another order of operations
        }
        own.Numbers().Zip(other.Numbers()).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-6f);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Accumulated_batches_equal_one_large_batch_even_if_they_weigh_differently(int accumulation)
    {
        // Rows 3, 7, 11, … count three times.
        static TrainingDataset Weighted() => TrainingDataset.From(32, rows =>
        {
            manual_seed(9);
            var index = tensor(rows.SelectMany(row => Enumerable.Repeat((long)row, row % 4 == 3 ? 3 : 1)).ToArray());
            var inputs = randn(32, 4).index_select(0, index);
            return new() { InputIds = inputs, Labels = inputs.sum(1, keepdim: true), Weight = index.numel() };
        });
        var options = new TrainingOptions { Epochs = 2, LearningRate = 0.05, BatchSize = 8, Shuffle = false };
        var (whole, parts) = (Runs.Line(), Runs.Line());
        var expected = new Trainer(whole, Weighted(), options).Train();
        var found = new Trainer(parts, Weighted(), options with { BatchSize = 8 / accumulation, GradientAccumulation = accumulation }).Train();
        found.Steps.ShouldBe(expected.Steps);
        found.Losses.Zip(expected.Losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5);   // sums in another order, amplified by Adam
        parts.Numbers().Zip(whole.Numbers()).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-5f);
    }

    [Fact]
    public void A_last_step_with_fewer_batches_still_takes_their_mean()
    {
        // At this learning rate the model stays as it is.
        var (model, rows) = (Runs.Line(), Runs.Rows(10));
        var result = new Trainer(model, rows, new() { Epochs = 1, BatchSize = 4, GradientAccumulation = 2, Shuffle = false, LearningRate = 1e-9 }).Train();
        result.Steps.ShouldBe(2);
        using var last = rows.GetBatch([8, 9]);
        result.Losses[1].ShouldBe(((ILossModel)model.Module).Loss(last).item<float>(), 1e-5);   // float32
    }

    [Fact]
    public void The_same_seed_gives_the_same_run_and_another_seed_another()
    {
        IReadOnlyList<double> Losses(int seed) => new Trainer(Runs.Network(), Runs.Rows(32), new() { Epochs = 2, Seed = seed, LearningRate = 0.01 }).Train().Losses;
        Losses(1).ShouldBe(Losses(1));
        Losses(1).ShouldNotBe(Losses(2));
    }

    [Fact]
    public void Evaluating_changes_nothing_in_the_training()
    {
        IReadOnlyList<double> Losses(TrainingDataset? evaluation)
            => new Trainer(Runs.Network(), Runs.Rows(32), new() { Epochs = 3, LearningRate = 0.01 }) { Evaluation = evaluation }.Train().Losses;
        Losses(Runs.Rows(16)).ShouldBe(Losses(null));
    }

    [Fact]
    public void Evaluation_is_the_weighted_mean_in_evaluation_mode()
    {
        var model = Runs.Network();
        var rows = Runs.Rows(21);
        var training = new List<bool>();
        var result = new Trainer(model, Runs.Rows(16), new() { Epochs = 1, EvaluationBatchSize = 8, LearningRate = 1e-9 })
        {
            Evaluation = rows,
            Metrics = new Dictionary<string, Func<Batch, Tensor>> { ["size"] = batch => { training.Add(model.Module.training); return tensor((float)batch.InputIds.shape[0]); } },
            EvaluationMetrics = _ => new Dictionary<string, double> { ["seven"] = 7 },
        }.Train();
        model.Module.eval();
        using var all = rows.GetBatch([.. Enumerable.Range(0, 21)]);
        result.Evaluations.Count.ShouldBe(1);
        result.Evaluations[0].Loss.ShouldBe(((ILossModel)model.Module).Loss(all).item<float>(), 1e-5);   // float32 means of three batches
        result.Evaluations[0].Metrics["size"].ShouldBe((8.0 * 8 + 8 * 8 + 5 * 5) / 21, 1e-6);
        result.Evaluations[0].Metrics["seven"].ShouldBe(7);
        training.ShouldAllBe(mode => !mode);
    }

    [Fact]
    public void A_model_can_be_evaluated_without_training()
    {
        var model = Runs.Network();
        var trainer = new Trainer(model, Runs.Rows(16)) { Evaluation = Runs.Rows(8) };
        trainer.Evaluate().Loss.ShouldBe(trainer.Evaluate().Loss);
        model.Module.training.ShouldBeTrue();
        Should.Throw<OperationCanceledException>(() => trainer.Evaluate(new(canceled: true)));
        Should.Throw<TrainingException>(() => new Trainer(model, Runs.Rows(16)).Evaluate()).Message.ShouldContain("set the trainer's Evaluation dataset");
    }

    [Fact]
    public void Modes_of_all_modules_are_restored()
    {
        var model = Runs.Network();
        model.Module.eval();
        model.Module.children().First().train();
        new Trainer(model, Runs.Rows(8), new() { Epochs = 1 }).Train();
        model.Module.training.ShouldBeFalse();
        model.Module.children().Select(child => child.training).ShouldBe([true, false, false, false]);
    }

    [Fact]
    public void Learning_rate_follows_schedule_and_recommendation()
    {
        var rates = new List<double>();
        var model = new Changed(Runs.Line()) { RecommendedLearningRate = 0.5 };
        new Trainer(model, Runs.Rows(8), new() { MaxSteps = 10, WarmupRatio = 0.15 }).Train(new Listener<TrainingProgress>(step => rates.Add(step.LearningRate)));
        rates.ShouldBe(Enumerable.Range(0, 10).Select(step => 0.5 * LearningRateSchedule.Linear.Factor(step, 2, 10)));
    }

    [Fact]
    public void Early_stopping_waits_for_its_patience_and_the_best_parameters_come_back()
    {
        var model = Runs.Line();
        var (evaluations, atBest) = (0, Array.Empty<float>());
        var result = new Trainer(model, Runs.Rows(16), new()
        {
            MaxSteps = 100, EvaluateEverySteps = 2, EarlyStoppingPatience = 3, LoadBestAtEnd = true, BestMetric = "score", GreaterIsBetter = true, LearningRate = 0.01,
        })
        {
            Evaluation = Runs.Rows(4),
            EvaluationMetrics = _ =>
            {
                if (++evaluations == 2) atBest = model.Numbers();
                return new Dictionary<string, double> { ["score"] = evaluations == 2 ? 1 : 1.0 / (2 + evaluations) };
            },
        }.Train();
        result.StopReason.ShouldBe(StopReason.EarlyStopping);
        result.Steps.ShouldBe(10);
        result.Best!.Step.ShouldBe(4);
        model.Numbers().ShouldBe(atBest);
    }

    [Fact]
    public void Callbacks_see_every_event_and_can_stop_save_and_evaluate()
    {
        using var folder = new TemporaryFolder();
        var events = new Recorder();
        var result = new Trainer(Runs.Line(), Runs.Rows(32), new() { Epochs = 9, OutputFolder = folder.Path, KeepCheckpoints = null })
        {
            Evaluation = Runs.Rows(4),
            Callbacks =
            [
                events,
                new Steps((step, control) =>
                {
                    if (step.Step == 2) control.Save();
                    if (step.Step == 3) control.Evaluate();
                    if (step.Step == 5) control.Stop();
                }),
            ],
        }.Train();
        result.StopReason.ShouldBe(StopReason.Callback);
        string.Join(' ', events.Seen).ShouldBe(
            "begin step1 step2 saved-checkpoint-2 step3 evaluated3 saved-checkpoint-3 step4 epoch1 evaluated4 saved-checkpoint-4 step5 saved-checkpoint-5 end5");
    }

    [Fact]
    public void Penalty_counts_once_and_the_method_hears_of_each_step_while_gradients_are_there()
    {
        var line = Runs.Line();
        var heard = new List<string>();
        var norms = new List<float>();
        var model = new Changed(line)
        {
            PenaltyTerm = () => line.Trainables[0].Value.sum() * 0 + 100,
            StepDone = (step, total) =>
            {
                heard.Add(string.Create(CultureInfo.InvariantCulture, $"{step}/{total}"));
                norms.Add(line.Trainables[0].Value.grad!.norm().item<float>());
            },
        };
        var result = new Trainer(model, Runs.Rows(16), new() { MaxSteps = 2, BatchSize = 4, GradientAccumulation = 2, Shuffle = false }).Train();
        var plain = new Trainer(Runs.Line(), Runs.Rows(16), new() { MaxSteps = 2, BatchSize = 4, GradientAccumulation = 2, Shuffle = false }).Train();
        result.Losses[0].ShouldBe(plain.Losses[0] + 100, 1e-4);
        heard.ShouldBe(["1/2", "2/2"]);
        norms.ShouldAllBe(norm => norm > 0);
    }

    [Fact]
    public void A_gradient_transform_runs_before_clipping()
    {
        var model = Runs.Line();
        var norms = new List<double>();
        new Trainer(model, Runs.Rows(16), new() { MaxSteps = 2 })
        {
            GradientTransform = tensors =>
            {
                using var gradient = tensors[0].Value.grad;
                gradient!.fill_(3);
                tensors[1].Value.grad = zeros(1);   // replaced, not changed in place
            },
        }.Train(new Listener<TrainingProgress>(step => norms.Add(step.GradientNorm)));
        norms.ShouldAllBe(norm => Math.Abs(norm - 6) < 1e-5);   // √(4·3²)
    }

    [Fact]
    public void Grouping_by_length_and_shuffling_show_each_row_once_per_epoch()
    {
        var seen = new List<int>();
        var data = TrainingDataset.From(10, rows => { seen.AddRange(rows); return new() { InputIds = ones(rows.Count, 4), Labels = ones(rows.Count, 1), Weight = rows.Count }; }, lengthOf: row => row);
        new Trainer(Runs.Line(), data, new() { Epochs = 2, BatchSize = 3, GroupByLength = true }).Train();
        seen.Take(10).Order().ShouldBe(Enumerable.Range(0, 10));
        seen.Skip(10).Order().ShouldBe(Enumerable.Range(0, 10));
        seen.Take(10).ShouldNotBe(seen.Skip(10));
    }

    private sealed class Recorder : ITrainerCallback
    {
        public List<string> Seen { get; } = [];

        public void OnTrainBegin(TrainerControl control) => Seen.Add("begin");

        public void OnStepEnd(TrainingProgress progress, TrainerControl control) => Seen.Add($"step{progress.Step}");

        public void OnEvaluated(EvaluationResult evaluation, TrainerControl control) => Seen.Add($"evaluated{evaluation.Step}");

        public void OnSaved(string folder, TrainerControl control) => Seen.Add($"saved-{Path.GetFileName(folder)}");

        public void OnEpochEnd(int epoch, TrainerControl control) => Seen.Add($"epoch{epoch}");

        public void OnTrainEnd(TrainingResult result) => Seen.Add($"end{result.Steps}");
    }
}
