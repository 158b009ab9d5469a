using System.CommandLine;
using System.Text.Json;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Direct preference optimization on pairs of different lengths; the reference is the model without its adapter.</summary>
internal static class DpoBenchmark
{
    public static Command Command()
    {
        var (shape, batch, rank) = (Measure.Shape(), Measure.Number("--batch", 4), Measure.Number("--rank", 8));
        var (steps, warmup) = (Measure.Number("--steps", 10), Measure.Warmup());
        var pairs = new Option<FileInfo?>("--pairs") { Description = "JSON list of [prompt, chosen, rejected] lengths in tokens; 64 random ones by default." };
        var command = new Command("dpo", "Measures the tokens per second of direct preference optimization.") { shape, batch, rank, steps, warmup, pairs };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var rows = at.GetValue(pairs) is { } file ? JsonSerializer.Deserialize<int[][]>(File.ReadAllText(file.FullName))! : Drawn();
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, at.GetValue(rank), device: device);
            var vocabulary = model.Config["vocab_size"]!.GetValue<int>();
            var (size, measured) = (at.GetValue(batch), at.GetValue(steps));
            // The trainer goes through the rows in order.
            var data = TrainingDataset.From(rows.Length / size * size, chunk => Pairs([.. chunk.Select(row => rows[row])], vocabulary));
            var (_, first, all, memory) = Measure.TrainingSteps(peft, data, new DpoObjective(peft), size, at.GetValue(warmup), measured);
            var seconds = all.Sum();
            var tokens = Enumerable.Range(first * size, measured * size).Select(row => rows[row % data.Count]).Sum(row => 2 * row[0] + row[1] + row[2]);
            Measure.Print(at, new
            {
                benchmark = "dpo", shape = at.GetValue(shape), batch = size, rank = at.GetValue(rank), pairs = rows.Length,
                warmup = first, step_ms = Math.Round(seconds * 1000 / measured, 2), tokens_per_s = Math.Round(tokens / seconds, 1), peak_rss_mb = Measure.PeakMegabytes, memory_mb = Measure.Megabytes(memory),
            });
        });
        return command;
    }

    // Chosen texts first, then the rejected ones, with the same prompts, padded on the right.
    private static Batch Pairs(int[][] rows, int vocabulary)
    {
        var width = rows.Max(row => row[0] + Math.Max(row[1], row[2]));
        Tensor[] all = [zeros([2 * rows.Length, width], ScalarType.Int64), zeros([2 * rows.Length, width], ScalarType.Int64), zeros([2 * rows.Length, width], ScalarType.Int64)];
        for (var i = 0; i < rows.Length; i++)
        {
            using var prompt = randint(3, vocabulary, [rows[i][0]]);
            foreach (var (row, completion) in new[] { (i, rows[i][1]), (i + rows.Length, rows[i][2]) })
            {
                using var own = randint(3, vocabulary, [completion]);
                all[0][row].narrow(0, 0, rows[i][0]).copy_(prompt);
                all[0][row].narrow(0, rows[i][0], completion).copy_(own);
                all[1][row].narrow(0, 0, rows[i][0] + completion).fill_(1);
                all[2][row].narrow(0, rows[i][0], completion).fill_(1);
            }
        }
        return new Batch { InputIds = all[0], AttentionMask = all[1], Extra = new Dictionary<string, Tensor> { ["completion_mask"] = all[2] }, Weight = rows.Length, Tokens = rows.Sum(row => 2 * row[0] + row[1] + row[2]) };
    }

    private static int[][] Drawn()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, 64).Select(_ => new[] { random.Next(20, 100), random.Next(30, 160), random.Next(30, 160) })];
    }
}
