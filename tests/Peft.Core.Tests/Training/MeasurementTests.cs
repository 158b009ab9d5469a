using static TorchSharp.torch;

namespace Peft.Core.Tests.Training;

/// <summary>Datasets that measure a model's outputs in evaluations.</summary>
public class MeasurementTests
{
    [Fact]
    public void An_evaluation_carries_what_its_dataset_measures()
    {
        var model = Scored();
        var trainer = new Trainer(model, Runs.Rows(8), new() { EvaluationBatchSize = 3 }) { Evaluation = new Counted() };
        var result = trainer.Evaluate();
        result.Metrics["rows"].ShouldBe(8);
        result.Metrics["mean"].ShouldBe(((Counted)trainer.Evaluation).Mean((ScoredLine)model.Module), 1e-6);
        result.Loss.ShouldBe(new Trainer(model, Runs.Rows(8)) { Evaluation = Runs.Rows(8) }.Evaluate().Loss, 1e-6);
    }

    [Fact]
    public void The_best_checkpoint_is_chosen_by_what_the_dataset_measures_and_knows_the_direction_of()
    {
        foreach (var (metric, best) in new[] { ("up", 4), ("down", 1) })
        {
            var result = new Trainer(Scored(), Runs.Rows(8), new() { MaxSteps = 4, BatchSize = 8, EvaluateEverySteps = 1, BestMetric = metric, LearningRate = 0.1 }) { Evaluation = new Counted() }.Train();
            result.Best!.Step.ShouldBe(best, metric);
        }
    }

    [Fact]
    public void A_metric_of_unknown_direction_an_unknown_one_and_data_that_do_not_fit_are_refused()
    {
        string Message(TrainingOptions options, bool fits = true, IReadOnlyDictionary<string, Func<Batch, Tensor>>? metrics = null)
            => Should.Throw<TrainingException>(() => new Trainer(Scored(), Runs.Rows(8), options) { Evaluation = new Counted(fits), Metrics = metrics ?? new Dictionary<string, Func<Batch, Tensor>>() }.Train()).Message;
        Message(new() { BestMetric = "own" }, metrics: new Dictionary<string, Func<Batch, Tensor>> { ["own"] = batch => batch.InputIds.mean() }).ShouldContain("set GreaterIsBetter");
        Message(new() { BestMetric = "f1" }).ShouldContain("Known: loss, rows, mean, up, down");
        Message(new(), fits: false).ShouldContain("these rows are for another model");
    }

    private static ModuleTrainable Scored()
    {
        manual_seed(5);
        return new(new ScoredLine());
    }

    private sealed class ScoredLine : nn.Module<Tensor, Tensor>, IOutputModel
    {
        private readonly TorchSharp.Modules.Linear layer = nn.Linear(4, 1);

        public ScoredLine() : base("line") => RegisterComponents();

        public override Tensor forward(Tensor input) => layer.call(input);

        public Tensor Loss(Batch batch) => LossAndOutput(batch).Loss;

        public (Tensor Loss, Tensor Output) LossAndOutput(Batch batch)
        {
            var output = call(batch.InputIds);
            return (nn.functional.mse_loss(output, batch.Labels!), output);
        }
    }

    /// <summary>Measures how many rows came, their mean output, and numbers that rise and fall with each evaluation.</summary>
    private sealed class Counted(bool fits = true) : TrainingDataset
    {
        private readonly TrainingDataset rows = Runs.Rows(8);
        private int evaluations;

        public override int Count => rows.Count;

        public override Batch GetBatch(IReadOnlyList<int> rows) => this.rows.GetBatch(rows);

        public override IReadOnlyList<DatasetMetric> Metrics => [new("rows"), new("mean"), new("up"), new("down")];

        public override IMeasurement Measure() => new Measurement(++evaluations);

        public override IEnumerable<string> Errors(nn.Module model) => fits ? [] : ["these rows are for another model"];

        public double Mean(ScoredLine model)
        {
            using var scope = NewDisposeScope();
            using var grad = no_grad();
            return model.call(GetBatch([.. Enumerable.Range(0, 8)]).InputIds).mean().item<float>();
        }

        private sealed class Measurement(int number) : IMeasurement
        {
            private readonly List<double> outputs = [];

            public void Add(IReadOnlyList<int> rows, Tensor output)
            {
                output.requires_grad.ShouldBeFalse();
                outputs.AddRange(output.data<float>().Select(value => (double)value));
            }

            public IReadOnlyDictionary<string, double> Result()
                => new Dictionary<string, double> { ["rows"] = outputs.Count, ["mean"] = outputs.Average(), ["up"] = number, ["down"] = -number };
        }
    }
}
