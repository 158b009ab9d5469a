using System.Collections.Concurrent;
using System.CommandLine;
using System.Diagnostics;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Requests of several clients with different adapters: one after another, and with continuous batching, in turn.</summary>
internal static class ServeBenchmark
{
    private const int WarmUpTokens = 8;   // of each request: the compiler needs many calls, but no long answers

    public static Command Command()
    {
        var (shape, clients, adapters, requests) = (Measure.Shape(), Measure.Number("--clients", 16), Measure.Number("--adapters", 8), Measure.Number("--requests", 32));
        var (prompt, added, runs, warmup) = (Measure.Number("--prompt", 32), Measure.Number("--new", 64), Measure.Number("--runs", 3), Measure.Warmup());
        var quantization = Measure.Quantization();
        var command = new Command("serve", "New tokens per second of concurrent requests, and of the same one after another.") { shape, clients, adapters, requests, prompt, added, runs, warmup, quantization };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var memory = new MemoryPhases();
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, rank: 8, Measure.Quantization(at.GetValue(quantization)!), device);
            for (var i = 1; i < at.GetValue(adapters); i++) peft.Add($"a{i}", peft.Find(PeftModel.DefaultName).Options);
            model.eval();
            string[] names = [.. peft.Adapters.Keys];
            GenerationOptions Options(int tokens) => new() { MaxNewTokens = tokens, MinNewTokens = tokens };
            // Prompts of different lengths, as clients send them.
            var all = Enumerable.Range(0, at.GetValue(requests)).Select(i => (Prompt: Enumerable.Range(3 + i, (at.GetValue(prompt) / 2) + (i * 7 % Math.Max(1, at.GetValue(prompt)))).ToArray(), Adapter: names[i % names.Length])).ToArray();
            var tokens = (double)all.Length * at.GetValue(added);
            var (alone, together) = (new List<double>(), new List<double>());
            var (mean, warm) = (0.0, new WarmUp(at.GetValue(warmup)));
            var isWarm = warm.IsNone;
            memory.End("load");
            while (alone.Count < at.GetValue(runs))
            {
                var options = Options(isWarm ? at.GetValue(added) : Math.Min(at.GetValue(added), WarmUpTokens));
                var one = Seconds(() =>
                {
                    foreach (var (text, adapter) in all)
                        using (peft.WithAdapters(adapter)) model.Generate(text, options);
                });
                using var batcher = new ContinuousBatcher(model, new() { MaxBatchSize = at.GetValue(clients) });
                var batched = Seconds(() => Serve(batcher, all, options, at.GetValue(clients)));
                mean = batcher.Statistics.MeanBatchSize;
                if (!isWarm)
                {
                    isWarm = warm.Ends();
                    continue;
                }
                alone.Add(one);
                together.Add(batched);
            }
            memory.End("requests");
            var (before, after) = (Measure.Median(alone), Measure.Median(together));
            Measure.Print(at, new
            {
                benchmark = "serve", shape = at.GetValue(shape), clients = at.GetValue(clients), adapters = names.Length, requests = all.Length, prompt = at.GetValue(prompt), @new = at.GetValue(added),
                quantization = at.GetValue(quantization), alone_tokens_per_s = Math.Round(tokens / before, 1), batched_tokens_per_s = Math.Round(tokens / after, 1), ratio = Math.Round(before / after, 2),
                mean_batch = Math.Round(mean, 1), peak_rss_mb = memory.Peak, memory_mb = memory.Megabytes,
            });
        });
        return command;
    }

    private static void Serve(ContinuousBatcher batcher, IReadOnlyList<(int[] Prompt, string Adapter)> all, GenerationOptions options, int clients)
    {
        var waiting = new ConcurrentQueue<(int[] Prompt, string Adapter)>(all);
        Task.WaitAll([.. Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (waiting.TryDequeue(out var request))
                await foreach (var token in batcher.GenerateTokensAsync(request.Prompt, options, request.Adapter)) { }
        }))]);
    }

    private static double Seconds(Action work)
    {
        var watch = Stopwatch.StartNew();
        work();
        return watch.Elapsed.TotalSeconds;
    }
}
