using System.CommandLine;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Greedy generation with a LoRA adapter, active or merged. Reports the median of several runs after a warm-up.</summary>
internal static class GenerateBenchmark
{
    public static Command Command()
    {
        var (shape, batch, prompt, added) = (Measure.Shape(), Measure.Number("--batch", 1), Measure.Number("--prompt", 32), Measure.Number("--new", 64));
        var threads = Measure.Number("--threads", 2);
        var (warmups, measured) = (Measure.Number("--warmup", 1), Measure.Number("--runs", 3));
        var (merged, quantization) = (new Option<bool>("--merged"), Measure.Quantization());
        var command = new Command("generate", "New tokens per second.") { shape, batch, prompt, added, threads, warmups, measured, merged, quantization };
        command.SetAction(at =>
        {
            set_num_threads(at.GetValue(threads));
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, rank: 8, Measure.Quantization(at.GetValue(quantization)!));
            var (linear, all) = Shapes.Megabytes(model);
            if (at.GetValue(merged)) peft.MergeAndUnload();
            var options = new GenerationOptions { MaxNewTokens = at.GetValue(added), MinNewTokens = at.GetValue(added) };
            IReadOnlyList<int>[] prompts = [.. Enumerable.Range(0, at.GetValue(batch)).Select(row => Enumerable.Range(3 + row, at.GetValue(prompt)).ToArray())];
            var (warmup, runs) = (at.GetValue(warmups), at.GetValue(measured));
            var seconds = Measure.Seconds(() => model.Generate(prompts, options), warmup, runs);
            var first = Measure.Seconds(() => model.Generate(prompts, options with { MaxNewTokens = 1, MinNewTokens = 1 }), warmup, runs);
            Measure.Print(new
            {
                benchmark = "generate", shape = at.GetValue(shape), batch = at.GetValue(batch), prompt = at.GetValue(prompt), @new = at.GetValue(added), threads = at.GetValue(threads), merged = at.GetValue(merged),
                quantization = at.GetValue(quantization), linear_mb = linear, model_mb = all,
                seconds = Math.Round(seconds, 3), tokens_per_s = Math.Round(at.GetValue(batch) * at.GetValue(added) / seconds, 1),
                first_token_ms = Math.Round(first * 1000, 1), decode_tokens_per_s = Math.Round(at.GetValue(batch) * (at.GetValue(added) - 1) / (seconds - first), 1), peak_rss_mb = Measure.PeakMegabytes,
            });
        });
        return command;
    }
}
