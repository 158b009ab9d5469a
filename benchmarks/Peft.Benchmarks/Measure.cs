using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>What the commands share: options, the training step and the line of JSON.</summary>
internal static class Measure
{
    public static Option<string> Shape() => new("--shape") { DefaultValueFactory = _ => "stories260k" };

    public static Option<int> Number(string name, int fallback) => new(name) { DefaultValueFactory = _ => fallback };

    public static double PeakMegabytes => Math.Round(Process.GetCurrentProcess().PeakWorkingSet64 / 1048576.0, 1);

    public static void Print(object line) => Console.WriteLine(JsonSerializer.Serialize(line));

    /// <summary>The middle one of some numbers: on a machine that others use as well, the mean says more about them.</summary>
    public static double Median(IEnumerable<double> numbers) => numbers.Order().ElementAt(numbers.Count() / 2);

    /// <summary>Trains on batches in turn and gives the seconds of each step after the warm-up.</summary>
    public static IReadOnlyList<double> TrainingSteps(ILossModel model, PeftModel peft, IReadOnlyList<Batch> batches, int warmup, int steps)
    {
        peft.Module.train();
        using var parameters = new FlatParameters(peft.Trainables);
        using var optimizer = new AdamW(parameters, 1e-4);
        var seconds = new List<double>();
        for (var step = 0; step < warmup + steps; step++)
        {
            var watch = Stopwatch.StartNew();
            using var scope = NewDisposeScope();
            parameters.ZeroGradients();
            model.Loss(batches[step % batches.Count]).backward();
            parameters.BindGradients();
            parameters.ClipGradients(parameters.GradientNorm().item<float>(), 1);
            optimizer.Step();
            if (step >= warmup) seconds.Add(watch.Elapsed.TotalSeconds);
        }
        return seconds;
    }
}
