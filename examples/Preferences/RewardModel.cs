using System.Text.Json.Nodes;
using Peft;
using Peft.Models;

namespace Preferences;

/// <summary>A reward model, judged on pairs that it has not seen.</summary>
/// <param name="tuned">Folder of the fine-tuned model that it begins with.</param>
/// <param name="sizes">How much is done.</param>
internal sealed class RewardModel(string tuned, Sizes sizes)
{
    private readonly Tokenizer tokenizer = Tokenizer.FromPretrained(tuned);

    /// <summary>Trains on some pairs and judges others.</summary>
    public EvaluationResult Run(IReadOnlyList<JsonObject> train, IReadOnlyList<JsonObject> test, IProgress<TrainingProgress>? progress = null)
    {
        using var model = SequenceClassifier.FromPretrained(tuned, new LoadOptions { LabelCount = 1 });
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        var options = new RewardDatasetOptions { MaxLength = sizes.Length };
        return RewardTrainer.Create(peft, RewardDataset.FromRows(train.Take(sizes.Pairs ?? int.MaxValue), tokenizer, options),
            training: new() { Epochs = sizes.RewardEpochs, BatchSize = 16, EvaluationBatchSize = 32, GroupByLength = true, LearningRate = 5e-3, WarmupRatio = 0.1 },
            evaluation: RewardDataset.FromRows(test, tokenizer, options)).Train(progress).Evaluations[^1];
    }

    /// <summary>The mean accuracy on all pairs, each judged by a model that was trained on the other parts.</summary>
    public double CrossValidate(IReadOnlyList<JsonObject> pairs) => Enumerable.Range(0, sizes.Folds).Average(fold =>
        Run([.. pairs.Where((_, i) => i % sizes.Folds != fold)], [.. pairs.Where((_, i) => i % sizes.Folds == fold)]).Metrics["accuracy"]);
}
