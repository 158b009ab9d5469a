using Peft;
using Peft.Models;

namespace QLora;

/// <summary>Fine-tunes the chosen model on a text.</summary>
/// <param name="Before">Perplexity of the test text before.</param>
/// <param name="After">Perplexity after.</param>
/// <param name="Seconds">Duration of the training.</param>
internal sealed record FineTuning(double Before, double After, double Seconds)
{
    public const int Rows = 8, Length = 128;

    /// <summary>Trains a LoRA adapter and saves it.</summary>
    /// <param name="choice">Model and precision.</param>
    /// <param name="data">Folder with train.txt and test.txt.</param>
    /// <param name="steps">Number of steps.</param>
    /// <param name="output">Folder of the adapter; null to save none.</param>
    /// <param name="progress">Receives a report after each step.</param>
    public static FineTuning Run(Choice choice, string data, int steps, string? output, IProgress<TrainingProgress>? progress = null)
    {
        var tokenizer = Tokenizer.FromPretrained(choice.Model.Name);
        using var model = CausalLM.FromPretrained(choice.Model.Name, choice.Precision.Load);
        model.CheckpointActivations = true;
        using var peft = model.ApplyAdapter(Candidate.Adapter);
        var trainer = new Trainer(peft, TextDataset.FromFile(Path.Combine(data, "train.txt"), tokenizer, Length), new()
        {
            MaxSteps = steps, BatchSize = Rows, EvaluationBatchSize = Rows, EvaluateEverySteps = steps, LearningRate = 5e-3, WarmupRatio = 0.05, MaxGradientNorm = 0.3, Schedule = LearningRateSchedule.Constant,
        })
        {
            Evaluation = TextDataset.FromFile(Path.Combine(data, "test.txt"), tokenizer, Length),
        };
        var before = Math.Exp(trainer.Evaluate().Loss);
        var result = trainer.Train(progress);
        if (output is not null) peft.SaveAdapter(output);
        return new(before, Math.Exp(result.Evaluations[^1].Loss), result.Elapsed.TotalSeconds);
    }
}
