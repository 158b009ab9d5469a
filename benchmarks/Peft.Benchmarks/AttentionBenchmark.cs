using System.CommandLine;
using Peft.Kernels;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Causal attention with rotary embedding on the CPU, alone: the operations it counts are those of visible pairs of query and key.</summary>
internal static class AttentionBenchmark
{
    public static Command Command()
    {
        var (length, size, heads, shared) = (Measure.Number("--length", 4096), Measure.Number("--size", 64), Measure.Number("--heads", 8), new Option<int?>("--key-value-heads") { Description = "By default as many as query heads." });
        var (batch, window, runs, warmup) = (Measure.Number("--batch", 1), new Option<int?>("--window"), Measure.Number("--runs", 10), Measure.Warmup());
        var command = new Command("attention", "Measures the attention kernel: milliseconds, and GFLOPS in relation to the processor's peak.") { length, size, heads, shared, batch, window, runs, warmup };
        command.SetAction(at =>
        {
            Common.Apply(at);
            using var scope = NewDisposeScope();
            var (positions, head, count) = (at.GetValue(length), at.GetValue(size), at.GetValue(heads));
            var (keyHeads, rows, width) = (at.GetValue(shared) ?? count, at.GetValue(batch), Math.Min(at.GetValue(window) ?? positions, positions));
            Tensor[] inputs = [.. new[] { count, keyHeads, keyHeads }.Select(each => randn(rows, positions, each, head))];
            var angles = randn(positions, 1, head / 2);
            var (cosine, sine) = (cat([angles, angles], -1).cos(), cat([angles.sin().neg(), angles.sin()], -1));
            var gradient = randn(rows, positions, count * head);
            var shape = new AttentionShape(count, keyHeads, head, head, (float)(1 / Math.Sqrt(head)), at.GetValue(window));
            Tensor Forward() => FusedAttention.Run(inputs[0], inputs[1], inputs[2], new FusedAttention([0, 1, 2], rows, positions, shape, null, null, null, cosine, sine));
            double Seconds(Action action) => Measure.Seconds(() =>
            {
                using var inner = NewDisposeScope();
                action();
            }, at.GetValue(warmup), at.GetValue(runs));
            var forward = Seconds(() => Forward());
            foreach (var input in inputs) input.requires_grad_();
            var both = Seconds(() => autograd.grad([Forward()], inputs, [gradient]));
            // Two products in the forward pass; the backward pass computes the scores again and has four more.
            var product = 2.0 * rows * count * head * (width * (width + 1L) / 2 + (positions - (long)width) * width);
            var peak = Peak.PerSecond();
            Measure.Print(at, new
            {
                benchmark = "attention", batch = rows, length = positions, size = head, heads = count, key_value_heads = keyHeads, window = at.GetValue(window),
                forward_ms = Math.Round(forward * 1e3, 3), both_ms = Math.Round(both * 1e3, 3), forward_gflops = Math.Round(2 * product / forward / 1e9, 1), both_gflops = Math.Round(7 * product / both / 1e9, 1), peak_gflops = Math.Round(peak / 1e9, 1),
                forward_limit = Math.Round(forward * peak / (2 * product), 2), both_limit = Math.Round(both * peak / (7 * product), 2),
            });
        });
        return command;
    }
}
