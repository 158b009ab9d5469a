using System.Diagnostics;
using Peft;
using Peft.Models;
using static TorchSharp.torch;

namespace IntentClassification;

/// <summary>Result of a run.</summary>
/// <param name="Method">Name of the method.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Accuracy">Fraction of the test texts that were classified correctly.</param>
/// <param name="Seconds">Total time of the training steps.</param>
/// <param name="SecondsPerStep">Mean time of a step after the first five.</param>
/// <param name="PeakMegabytes">Peak memory of the process.</param>
/// <param name="AdapterKilobytes">Size of the saved adapter, head included.</param>
/// <param name="Trainable">Number of trainable parameters, head included.</param>
/// <param name="Steps">Optimizer steps.</param>
internal sealed record Outcome(string Method, int Seed, double Accuracy, double Seconds, double SecondsPerStep, double PeakMegabytes, double AdapterKilobytes, long Trainable, int Steps);

/// <summary>Fine-tunes the encoder on the intents and saves the adapter.</summary>
internal static class Training
{
    /// <param name="method">The fine-tuning method.</param>
    /// <param name="model">The encoder's folder.</param>
    /// <param name="data">The folder with train.jsonl and test.jsonl.</param>
    /// <param name="output">Folder to save the adapter to.</param>
    /// <param name="seed">Seed of the new weights and of the order of the data.</param>
    /// <param name="steps">Number of optimizer steps; one epoch if null.</param>
    /// <param name="progress">Receives a report after each step.</param>
    public static Outcome Run(Method method, string model, string data, string output, int seed, int? steps, IProgress<TrainingProgress> progress)
    {
        // Texts, labels, and a classifier with mean pooling over the tokens, as in the encoder's pretraining.
        var tokenizer = Tokenizer.FromPretrained(model);
        var options = new ClassificationOptions { MaxLength = 64 };
        var train = ClassificationDataset.FromFile(Path.Combine(data, "train.jsonl"), tokenizer, options);
        var test = ClassificationDataset.FromFile(Path.Combine(data, "test.jsonl"), tokenizer, options with { Labels = train.Labels });
        var load = LoadOptions.FromLabelSet(train.Labels) with { Seed = seed, Device = cuda.is_available() ? CUDA : CPU };
        using var classifier = SequenceClassifier.FromPretrained(model, load, Pooling.Mean);

        using var peft = classifier.ApplyAdapter(method.Options with { InitializationSeed = seed });   // the head is new, so every method trains it
        var times = new List<TimeSpan>();
        var trainer = new Trainer(peft, train, new TrainingOptions
        {
            Epochs = 1, MaxSteps = steps, BatchSize = 32, EvaluationBatchSize = 64, GroupByLength = true, Seed = seed,
            LearningRate = method.LearningRate, WarmupRatio = 0.06,
            Optimizer = new AdamWOptions { Groups = [new("head", tensor => tensor.Name.Contains("classifier", StringComparison.Ordinal)) { LearningRate = method.HeadLearningRate }] },
        })
        { Evaluation = test };
        var result = trainer.Train(new Watch(times, progress));
        var accuracy = (result.Evaluations is [.., var last] ? last : trainer.Evaluate()).Metrics["accuracy"];

        peft.SaveAdapter(output);   // with the names of the intents and the pooling, in task.json
        return new Outcome(method.Name, seed, accuracy, times.Sum(time => time.TotalSeconds), times.Skip(5).Average(time => time.TotalSeconds), Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0,
            new FileInfo(Path.Combine(output, AdapterCheckpoint.FileName)).Length / 1024.0, peft.CountParameters().Trainable, result.Steps);
    }

    private sealed class Watch(List<TimeSpan> times, IProgress<TrainingProgress> next) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            times.Add(value.Elapsed);
            next.Report(value);
        }
    }
}
