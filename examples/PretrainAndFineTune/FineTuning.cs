using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>Fine-tuning of a pretrained model, or of one with random weights, for a task.</summary>
internal static class FineTuning
{
    /// <summary>Trains and tests.</summary>
    /// <param name="pretrained">The pretrained model.</param>
    /// <param name="task">The task.</param>
    /// <param name="method">The method.</param>
    /// <param name="rate">The learning rate; null for the method's.</param>
    public static Outcome Run(Pretrained pretrained, Benchmark task, Method method, double? rate = null)
    {
        var (train, test) = task.Data(Tokenizer.FromPretrained(pretrained.Folder));
        using var model = task.Model(pretrained.Folder, train, method.FromScratch);
        using var peft = model.ApplyAdapter(method.Options);
        var result = new Trainer(peft, train, new()
        {
            Epochs = task.Epochs, BatchSize = 32, EvaluationBatchSize = 64, GroupByLength = true, LearningRate = rate ?? method.LearningRate, WarmupRatio = 0.1,
        }).Train();
        var score = new Trainer(peft, train, new() { EvaluationBatchSize = 64, GroupByLength = true }) { Evaluation = test }.Evaluate().Metrics[task.Metric];
        return new(pretrained.Kind, task.Name, method.Name, score, peft.CountParameters().Trainable, result.Elapsed.TotalSeconds);
    }
}
