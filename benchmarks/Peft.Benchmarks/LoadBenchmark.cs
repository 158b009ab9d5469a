using System.CommandLine;
using System.Diagnostics;
using Peft.Checkpoints;
using Peft.Models;

namespace Peft.Benchmarks;

/// <summary>Loads a GPT-2 model from a single safetensors file that was just written, and so is in the page cache.</summary>
internal static class LoadBenchmark
{
    public static Command Command()
    {
        var (megabytes, quantization) = (Measure.Number("--megabytes", 500), Measure.Quantization());
        var command = new Command("load", "Measures the time and memory of loading a model.") { megabytes, quantization };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var folder = Directory.CreateTempSubdirectory("peft-load-").FullName;
            try
            {
                // The embedding of GPT-2 takes 150 MB, each layer 28.
                var layers = Math.Max(1, (at.GetValue(megabytes) - 150) / 28);
                var config = ModelConfig.Parse(Shapes.Config("gpt2")).With("n_layer", layers);
                File.WriteAllText(Path.Combine(folder, "config.json"), config.ToString());
                var path = Path.Combine(folder, "model.safetensors");
                using (var model = CausalLM.FromConfig(config))
                    SafetensorsWriter.Write(path, model.named_parameters().Where(pair => !model.TiedParameters.Contains(pair.name)).ToDictionary(pair => pair.name, pair => (TorchSharp.torch.Tensor)pair.parameter));
                GC.Collect();
                var before = Process.GetCurrentProcess().WorkingSet64;
                var watch = Stopwatch.StartNew();
                using var loaded = CausalLM.FromPretrained(folder, new LoadOptions { Device = device, Quantization = Measure.Quantization(at.GetValue(quantization)!) });
                var seconds = watch.Elapsed.TotalSeconds;
                var (linear, all) = Shapes.Megabytes(loaded);
                var size = new FileInfo(path).Length / 1048576.0;
                Measure.Print(at, new
                {
                    benchmark = "load", quantization = at.GetValue(quantization), file_mb = Math.Round(size, 1), seconds = Math.Round(seconds, 3), mb_per_s = Math.Round(size / seconds, 1),
                    linear_mb = linear, model_mb = all, rss_growth_mb = Math.Round((Process.GetCurrentProcess().WorkingSet64 - before) / 1048576.0, 1), peak_rss_mb = Measure.PeakMegabytes,
                });
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }
}
