using System.CommandLine;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>One optimizer step on many small tensors, including gradient clipping and zeroing: the flat AdamW against TorchSharp's.</summary>
internal static class OptimizerBenchmark
{
    public static Command Command()
    {
        var (tensors, size, steps, warmup) = (Measure.Number("--tensors", 1000), Measure.Number("--size", 512), Measure.Number("--steps", 50), Measure.Warmup());
        var command = new Command("optimizer", "Measures the milliseconds of an optimizer step, flat and plain.") { tensors, size, steps, warmup };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            List<Parameter> Tensors() => [.. Enumerable.Range(0, at.GetValue(tensors)).Select(_ => new Parameter(randn(at.GetValue(size), device: device)))];
            var flat = Flat(Tensors(), at.GetValue(warmup), at.GetValue(steps));
            var plain = Plain(Tensors(), at.GetValue(warmup), at.GetValue(steps));
            Measure.Print(at, new
            {
                benchmark = "optimizer", tensors = at.GetValue(tensors), size = at.GetValue(size), flat_ms = Math.Round(flat, 3), torch_ms = Math.Round(plain, 3),
                ratio = Math.Round(plain / flat, 1), peak_rss_mb = Measure.PeakMegabytes,
            });
        });
        return command;
    }

    private static double Flat(List<Parameter> tensors, int? warmup, int steps)
    {
        using var parameters = new FlatParameters(tensors.Select((tensor, i) => new TrainableTensor($"t{i}", tensor)));
        using var optimizer = new FlatAdamW(parameters, 1e-3);
        return Time(warmup, steps, () =>
        {
            parameters.BindGradients();
            parameters.ClipGradients(parameters.GradientNorm().item<float>(), 1);
            optimizer.Step();
            parameters.ZeroGradients();
        });
    }

    private static double Plain(List<Parameter> tensors, int? warmup, int steps)
    {
        foreach (var tensor in tensors) tensor.grad = zeros_like(tensor);
        using var optimizer = optim.AdamW(tensors, 1e-3);
        return Time(warmup, steps, () =>
        {
            nn.utils.clip_grad_norm_(tensors, 1);
            optimizer.step();
            optimizer.zero_grad();
        });
    }

    private static double Time(int? warmup, int steps, Action step) => 1000 * Measure.Seconds(() =>
    {
        using var scope = NewDisposeScope();
        step();
    }, warmup, steps);
}
