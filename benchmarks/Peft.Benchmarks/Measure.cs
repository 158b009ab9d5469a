using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Quantization;

namespace Peft.Benchmarks;

/// <summary>Code that the commands share: options, the training step and the JSON output.</summary>
internal static class Measure
{
    public static Option<string> Shape(string fallback = "stories260k", params string[] names)
    {
        var option = new Option<string>("--shape") { DefaultValueFactory = _ => fallback };
        return option.AcceptOnlyFromAmong(names is [] ? [.. Shapes.Names] : names);
    }

    public static Option<int> Number(string name, int fallback) => new(name) { DefaultValueFactory = _ => fallback };

    /// <summary>Number of runs or steps before the measurement.</summary>
    public static Option<int?> Warmup() => new("--warmup") { Description = "Runs or steps before the measurement; by default until the just-in-time compiler has nothing left to do." };

    /// <summary>Dropout of the model in training.</summary>
    public static Option<double> ModelDropout() => new("--model-dropout") { Description = "Dropout of the model: for gpt2 of embeddings, attention and residuals, 0.1 in GPT2Config's defaults; for the others of attention." };

    /// <summary>How the base model is quantized: <c>none</c>, or a kind of <see cref="QuantizationOptions"/> in the form of settings.</summary>
    public static Option<string> Quantization() => new("--quantization") { DefaultValueFactory = _ => "none", Description = "none, nf4, nf4_double, fp4, fp4_double, llm_int8, blockwise or fp8; nf4+llm_int8 quantizes embeddings and head too, by the second kind" };

    public static QuantizationOptions? Quantization(string text)
        => text == "none" ? null : (QuantizationOptions)TypeDescriptor.GetConverter(typeof(QuantizationOptions)).ConvertFromInvariantString(text)!;

    public static double PeakMegabytes => Math.Round(Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0, 1);

    /// <summary>Peaks of the resident memory by phase: before the first step, and in training steps.</summary>
    public static object Megabytes(MemoryPeaks memory) => new { start = Math.Round(memory.Start / 1048576.0, 1), training = Math.Round(memory.Training!.Value / 1048576.0, 1) };

    /// <summary>Prints a line: the results, then the settings that all commands share.</summary>
    public static void Print(ParseResult at, object line)
    {
        var all = JsonSerializer.SerializeToNode(line)!.AsObject();
        foreach (var (name, value) in JsonSerializer.SerializeToNode(Common.Settings(at))!.AsObject()) all[name] = value?.DeepClone();
        Console.WriteLine(all.ToJsonString());
    }

    /// <summary>The median. On a shared machine, the mean would also reflect the load of other programs.</summary>
    public static double Median(IEnumerable<double> numbers) => numbers.Order().ElementAt(numbers.Count() / 2);

    /// <summary>The median of the seconds that an action takes, after runs that warm up the just-in-time compiler and the caches.</summary>
    public static double Seconds(Action action, int? warmup, int runs)
    {
        for (var warm = new WarmUp(warmup); !warm.IsNone;)
        {
            action();
            if (warm.Ends()) break;
        }
        var seconds = new double[runs];
        for (var i = 0; i < runs; i++)
        {
            var watch = Stopwatch.StartNew();
            action();
            seconds[i] = watch.Elapsed.TotalSeconds;
        }
        return Median(seconds);
    }

    /// <summary>Trains on the batches in order with the trainer, as users do, and returns the seconds of each step after the warm-up, and the peaks of memory.</summary>
    public static MeasuredSteps TrainingSteps(ITrainable trained, IReadOnlyList<Batch> batches, int? warmup, int steps, int? parts = null, long? maxMemory = null)
        => TrainingSteps(trained, TrainingDataset.From(batches.Count, rows => Copy(batches[rows[0]])), null, 1, warmup, steps, parts, maxMemory);

    /// <summary>Trains with an objective on the rows of a dataset in order, and returns the seconds of each step after the warm-up, and the peaks of memory.</summary>
    public static MeasuredSteps TrainingSteps(ITrainable trained, TrainingDataset data, Objective? objective, int batch, int? warmup, int steps, int? parts = null, long? maxMemory = null)
    {
        const int Enough = 1_000_000;   // the clock ends the run
        var clock = new StepClock(new(warmup), steps);
        var result = new Trainer(trained, data, new TrainingOptions { MaxSteps = Enough, BatchSize = batch, Shuffle = false, LearningRate = 1e-4, LogEverySteps = Enough, ParallelParts = parts, MaxMemory = maxMemory }) { Objective = objective, Callbacks = [clock] }.Train();
        return new(clock.First, clock.WarmUpSteps, clock.Seconds, result.Memory);
    }

    // The trainer disposes its batches.
    private static Batch Copy(Batch batch) => new()
    {
        InputIds = batch.InputIds.clone(), AttentionMask = batch.AttentionMask?.clone(), Labels = batch.Labels!.clone(), PackedLengths = batch.PackedLengths, Tokens = batch.Tokens, Weight = batch.Weight,
    };

    private sealed class StepClock(WarmUp warmUp, int steps) : ITrainerCallback
    {
        private long last;
        private bool warm = warmUp.IsNone;

        public double First { get; private set; }

        public int WarmUpSteps => warmUp.Count;

        public List<double> Seconds { get; } = [];

        public void OnTrainBegin(TrainerControl control) => last = Stopwatch.GetTimestamp();

        public void OnStepEnd(TrainingProgress progress, TrainerControl control)
        {
            var seconds = Stopwatch.GetElapsedTime(last).TotalSeconds;
            if (progress.Step == 1) First = seconds;
            if (warm) Seconds.Add(seconds);
            else warm = warmUp.Ends();
            if (Seconds.Count == steps) control.Stop();
            last = Stopwatch.GetTimestamp();
        }
    }
}
