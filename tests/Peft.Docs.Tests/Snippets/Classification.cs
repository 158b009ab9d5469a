using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Classification : InFolder
{
    [Fact]
    public async Task Texts_are_classified()
    {
        CopyData("banking77");
        // snippet: classify
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var train = ClassificationDataset.FromFile("banking77/train.jsonl", tokenizer);        // {"text": "I lost my phone", "label": "lost_or_stolen_phone"}
        var test = ClassificationDataset.FromFile("banking77/test.jsonl", tokenizer, new() { Labels = train.Labels });

        using var model = SequenceClassifier.FromPretrained("models/stories260K", train.Labels, pooling: Pooling.Mean);
        using var peft = model.ApplyLora(rank: 8);
        var trainer = new Trainer(peft, train, new() { Epochs = 5, LearningRate = 5e-3, BatchSize = 16, BestMetric = "accuracy", LoadBestAtEnd = true }) { Evaluation = test };
        TrainingResult result = await trainer.TrainAsync();                                    // result.Best!.Metrics: accuracy, f1_macro, …

        peft.SaveAdapter("out/intents");                                                       // saves the labels with the adapter
        Console.WriteLine(model.Classify("Someone stole my phone!", tokenizer));               // lost_or_stolen_phone (93.4 %)
        // end
        Console.WriteLine(string.Join(", ", result.Best!.Metrics.Select(metric => $"{metric.Key} {metric.Value:F3}")));
        result.Best.Metrics["accuracy"].ShouldBeGreaterThan(0.8);
        Found(model.Labels.Count);
    }

    private static void Found(int classes)
    {
        // snippet: classify-later
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = SequenceClassifier.FromPretrained("models/stories260K");             // another program; the labels come with the adapter
        using var peft = model.ApplyAdapter("out/intents", trainable: false);
        string[] texts = ["How do I change my PIN?", "Is there an age limit?"];
        foreach (var found in model.Classify(texts, tokenizer))
            Console.WriteLine($"{found.Label}: {found.Probability:P0}, then {found.Scores[1].Label}");
        // end
        model.Labels.Count.ShouldBe(classes);
        model.Classify(texts, tokenizer).Select(found => found.Label).ShouldBe(["change_pin", "age_limit"]);
    }

    [Fact]
    public void Rows_come_from_anywhere()
    {
        File.WriteAllText("nli.csv", "premise,hypothesis,gold\n\"It rains, again.\",It is wet.,entails\nIt rains.,It is dry.,contradicts\n");
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        // snippet: classify-rows
        var pairs = ClassificationDataset.FromFile("nli.csv", tokenizer, new()
        {
            TextField = "premise", PairField = "hypothesis", LabelField = "gold", Labels = ["entails", "contradicts"],
        });
        var several = new ClassificationDataset([new("A film about love and war", ["drama", "history"]), new("No genre at all", [])], tokenizer);
        var numbers = new ClassificationDataset([new("Delicious!", 4.8), new("Never again.", 1.2)], tokenizer);
        // end
        pairs.Labels.ShouldBe(["entails", "contradicts"]);
        several.Labels.Problem.ShouldBe(ProblemType.MultiLabel);
        numbers.Labels.Problem.ShouldBe(ProblemType.Regression);
    }

    [Fact]
    public void Measures_stand_alone()
    {
        // snippet: metrics
        double f1 = Metrics.F1(predicted: [0, 1, 1, 2], expected: [0, 1, 2, 2], FAverage.Macro);
        double matthews = Metrics.Matthews([0, 1, 1, 2], [0, 1, 2, 2]);
        FScore entities = Metrics.EntityScore(predicted: [["B-person", "I-person", "O"]], expected: [["B-person", "O", "O"]]);
        double exact = Metrics.ExactMatch("The Eiffel Tower", "eiffel tower");
        // end
        f1.ShouldBe((1 + 2 / 3.0 + 2 / 3.0) / 3, 1e-12);
        matthews.ShouldBeGreaterThan(0.6);
        entities.F1.ShouldBe(0);
        exact.ShouldBe(1);
    }
}
