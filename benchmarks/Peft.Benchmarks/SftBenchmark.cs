using System.CommandLine;
using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Supervised fine-tuning on packed sequences of different lengths, with a loss on the completions only.</summary>
internal static class SftBenchmark
{
    public static Command Command()
    {
        var (shape, batch, rank) = (Measure.Shape(), Measure.Number("--batch", 4), Measure.Number("--rank", 8));
        var (steps, warmup) = (Measure.Number("--steps", 10), Measure.Warmup());
        var dropout = Measure.ModelDropout();
        var lengths = new Option<FileInfo?>("--lengths") { Description = "JSON list of [prompt, completion] lengths in tokens; 64 random ones by default." };
        var command = new Command("sft", "Measures the tokens per second of supervised fine-tuning, without padding.") { shape, batch, rank, steps, warmup, lengths, dropout };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var rows = at.GetValue(lengths) is { } file ? JsonSerializer.Deserialize<int[][]>(File.ReadAllText(file.FullName))! : Drawn();
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, at.GetValue(rank), device: device, modelDropout: at.GetValue(dropout));
            var batches = rows.Chunk(at.GetValue(batch)).Select(chunk => Pack(chunk, model.Config["vocab_size"]!.GetValue<int>())).ToList();
            var measured = at.GetValue(steps);
            var (_, first, all, memory) = Measure.TrainingSteps(peft, batches, at.GetValue(warmup), measured);
            var seconds = all.Sum();
            var tokens = Enumerable.Range(first, measured).Sum(step => batches[step % batches.Count].Tokens);
            Measure.Print(at, new
            {
                benchmark = "sft", shape = at.GetValue(shape), batch = at.GetValue(batch), rank = at.GetValue(rank), model_dropout = at.GetValue(dropout), rows = rows.Length,
                warmup = first, step_ms = Math.Round(seconds * 1000 / measured, 2), tokens_per_s = Math.Round(tokens / seconds, 1), peak_rss_mb = Measure.PeakMegabytes, memory_mb = Measure.Megabytes(memory),
            });
        });
        return command;
    }

    private static Batch Pack(int[][] rows, int vocabulary)
    {
        var total = rows.Sum(row => row[0] + row[1]);
        var ids = randint(0, vocabulary, [1, total]);
        var labels = ids.clone();
        var start = 0;
        foreach (var row in rows)
        {
            labels.narrow(1, start, row[0]).fill_(Batch.IgnoredLabel);
            start += row[0] + row[1];
        }
        return new Batch { InputIds = ids, Labels = labels, PackedLengths = [.. rows.Select(row => row[0] + row[1])], Tokens = total, Weight = rows.Sum(row => row[1]) };
    }

    private static int[][] Drawn()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, 64).Select(_ => new[] { random.Next(10, 80), random.Next(20, 160) })];
    }
}
