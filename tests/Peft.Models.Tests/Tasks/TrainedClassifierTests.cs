using static Peft.Models.Tests.Tasks.TaskModels;

namespace Peft.Models.Tests.Tasks;

/// <summary>From rows to a trained classifier.</summary>
public class TrainedClassifierTests
{
    private static ClassificationDataset Rows(int count, int seed, IReadOnlyList<string>? labels = null)
        => new(Told(count, seed).Select(row => new ClassificationRow(row.Text, row.Label)), Pieces, new() { Labels = labels });

    [Fact]
    public void A_classifier_learns_is_measured_and_classifies()
    {
        var train = Rows(96, 1);
        var test = Rows(48, 2, train.Labels);
        using var model = SequenceClassifier.FromConfig(Bert, 3, new() { Id2Label = train.Labels, Problem = train.Labels.Problem, Pooling = Pooling.Mean });
        using var peft = model.ApplyLora(rank: 8);
        var trainer = new Trainer(peft, train, new() { Epochs = 8, LearningRate = 1e-2, BatchSize = 16, BestMetric = "accuracy", LoadBestAtEnd = true, GroupByLength = true }) { Evaluation = test };
        trainer.Evaluate().Metrics["accuracy"].ShouldBeLessThan(0.8);
        var result = trainer.Train();
        result.Best!.Metrics["accuracy"].ShouldBeGreaterThan(0.95);
        result.Best.Metrics.Keys.ShouldBe(["accuracy", "f1_macro", "f1_weighted", "matthews", "f1"], ignoreOrder: true);
        result.Best.Metrics["accuracy"].ShouldBe(result.Evaluations.Max(evaluation => evaluation.Metrics["accuracy"]));

        // The same by the other way.
        var rows = Told(48, 2).ToList();
        var found = model.Classify(rows.Select(row => row.Text), Pieces);
        Metrics.Accuracy([.. found.Select(each => each.Label)], [.. rows.Select(row => row.Label)]).ShouldBe(result.Best.Metrics["accuracy"], 1e-9);
        var (ids, right) = (found.Select(each => train.Labels.IdOf(each.Label)).ToArray(), rows.Select(row => train.Labels.IdOf(row.Label)).ToArray());
        Metrics.F1(ids, right, FAverage.Binary).ShouldBe(result.Best.Metrics["f1"], 1e-9);
        Metrics.Matthews(ids, right).ShouldBe(result.Best.Metrics["matthews"], 1e-9);
    }

    [Theory]
    [InlineData(ProblemType.MultiLabel, "f1_micro")]
    [InlineData(ProblemType.Regression, "pearson")]
    public void So_does_one_of_several_classes_or_of_numbers(ProblemType problem, string metric)
    {
        ClassificationDataset Of(int count, int seed) => new(Told(count, seed).Select(row => problem == ProblemType.MultiLabel
            ? new ClassificationRow(row.Text, row.Label == "man" ? ["man", "one"] : ["woman"]) : new(row.Text, row.Label == "man" ? 1.0 : -1.0)), Pieces);
        var train = Of(96, 1);
        using var model = SequenceClassifier.FromConfig(Bert, 3, train.Labels);
        using var peft = model.ApplyLora(rank: 8);
        var result = new Trainer(peft, train, new() { Epochs = 8, LearningRate = 1e-2, BatchSize = 16, BestMetric = metric }) { Evaluation = Of(48, 2) }.Train();
        result.Best!.Metrics[metric].ShouldBeGreaterThan(0.9);
        result.Best.Metrics.Keys.ShouldBe(train.Metrics.Select(each => each.Name), ignoreOrder: true);
        if (problem == ProblemType.Regression) model.Regress(["romeo speak"], Pieces)[0].ShouldBeGreaterThan(model.Regress(["queen speak"], Pieces)[0]);
        else model.Classify("noble romeo speak", Pieces).LabelsFrom(0.5).ShouldBe(["man", "one"], ignoreOrder: true);
    }

    [Fact]
    public void A_model_for_other_labels_is_refused_before_training()
    {
        var train = Rows(8, 1);
        void Refused(LoadOptions options, string expected)
        {
            using var model = SequenceClassifier.FromConfig(Bert, 3, options);
            using var peft = model.ApplyLora(rank: 2);
            Should.Throw<TrainingException>(() => new Trainer(peft, train).Train()).Message.ShouldContain(expected);
        }
        Refused(new LabelSet("woman", "man"), "is for SingleLabel of man, woman, but the model is for SingleLabel of woman, man: load the model with the dataset's Labels");
        Refused(new() { LabelCount = 3 }, "LABEL_2");
        Refused(new LabelSet(ProblemType.MultiLabel, ["man", "woman"]), "the model is for MultiLabel");
    }
}
