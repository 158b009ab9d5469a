using Peft;
using Peft.Models;

namespace PretrainAndFineTune;

/// <summary>Fine-tuning of a pretrained model, or of one with random weights, for a task.</summary>
internal static class FineTuning
{
    private const double HeadRate = 1e-2;

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
        var before = Environment.CpuUsage.TotalTime;
        new Trainer(peft, train, new()
        {
            Epochs = task.Epochs, BatchSize = 32, EvaluationBatchSize = 64, GroupByLength = true, LearningRate = rate ?? method.LearningRate, WarmupRatio = 0.1,
            // The head begins with random weights, and so bears a higher rate than what is trained already.
            Optimizer = new AdamWOptions { Groups = [new("head", tensor => tensor.Name.Contains("classifier", StringComparison.Ordinal) || tensor.Name.Contains("score", StringComparison.Ordinal)) { LearningRate = HeadRate }] },
        }).Train();
        var seconds = (Environment.CpuUsage.TotalTime - before).TotalSeconds;
        var score = new Trainer(peft, train, new() { EvaluationBatchSize = 64, GroupByLength = true }) { Evaluation = test }.Evaluate().Metrics[task.Metric];
        return new(pretrained.Kind, task.Name, method.Name, score, peft.CountParameters().Trainable, seconds);
    }
}
