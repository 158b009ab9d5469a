using Peft.Models;

namespace Peft.Docs.Tests.Snippets;

public class Tagging : InFolder
{
    [Fact]
    public async Task Words_are_tagged()
    {
        CopyData("wnut17");
        // snippet: tag
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        var train = TaggingDataset.FromFile("wnut17/train.jsonl", tokenizer);                  // {"tokens": ["in", "New", "York"], "tags": ["O", "B-location", "I-location"]}
        var test = TaggingDataset.FromFile("wnut17/test.jsonl", tokenizer, new() { Labels = train.Labels });

        using var model = TokenClassifier.FromPretrained("models/stories260K", train.Labels);
        using var peft = model.ApplyLora(rank: 16, targets: "all-linear");
        var trainer = new Trainer(peft, train, new() { Epochs = 5, LearningRate = 5e-3, BatchSize = 16, BestMetric = "f1", LoadBestAtEnd = true }) { Evaluation = test };
        TrainingResult result = await trainer.TrainAsync();                                    // result.Best!.Metrics: precision, recall, f1, accuracy

        peft.SaveAdapter("out/entities");                                                      // saves the tags with the adapter
        foreach (var entity in model.Tag("Empire State Building, here in New York!", tokenizer).Entities)
            Console.WriteLine($"{entity.Type}: {entity.Text} at {entity.Start}, {entity.Probability:P0}");
        // end
        Console.WriteLine(string.Join(", ", result.Best!.Metrics.Select(metric => $"{metric.Key} {metric.Value:F3}")));
        result.Best.Metrics["f1"].ShouldBeGreaterThan(0.02);
        result.Best.Metrics["accuracy"].ShouldBeGreaterThan(0.8);
    }
}
