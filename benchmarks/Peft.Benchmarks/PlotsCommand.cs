using System.CommandLine;
using Peft.Modules;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Curves of cost against length, rank, batch and adapters, and the roofline of this machine, as data and pictures. Takes some minutes.</summary>
internal static class PlotsCommand
{
    private const string Small = "stories260k", Large = "smollm135m";

    public static Command Command()
    {
        var folder = new Option<DirectoryInfo>("--out") { DefaultValueFactory = _ => new("docs/images") };
        var quick = new Option<bool>("--quick") { Description = "Only the small model and few points, to try the command." };
        var only = new Option<string[]>("--only") { DefaultValueFactory = _ => [], AllowMultipleArgumentsPerToken = true, Description = "Names of the plots to make; all by default." };
        var plots = new Dictionary<string, Func<bool, Device, Plot>> { ["length"] = Length, ["rank"] = Rank, ["batch"] = Batches, ["adapters"] = Adapters, ["roofline"] = Roofline };
        only.AcceptOnlyFromAmong([.. plots.Keys]);
        var command = new Command("plots", "Measures curves of cost, and writes them as CSV and SVG.") { folder, quick, only };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            foreach (var (name, make) in plots)
            {
                if (at.GetValue(only) is { Length: > 0 } names && !names.Contains(name)) continue;
                var start = System.Diagnostics.Stopwatch.GetTimestamp();
                make(at.GetValue(quick), device).Save(at.GetValue(folder)!.FullName);
                Console.Error.WriteLine($"{name}: {System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalSeconds:F0} s");
            }
        });
        return command;
    }

    private static Plot Length(bool quick, Device device) => new("length", "Cost of a token by length", "tokens of the sequence", "µs per token",
    [
        new($"{Small}, training", "c0", Points(Powers(128, quick ? 256 : 4096), length => Training(Small, 1, length, 8, device) * 1e6 / length)),
        .. quick ? Array.Empty<Series>() : [new($"{Large}, reading a prompt", "c1", Points(Powers(128, 2048), length => Reading(Large, length, device) * 1e6 / length))],
    ]);

    private static Plot Rank(bool quick, Device device) => new("rank", "Training step by rank of LoRA", "rank", "ms per step",
    [
        new($"{Small}, 4 × 128", "c0", Points(Powers(1, quick ? 2 : 64), rank => Training(Small, 4, 128, rank, device) * 1e3)),
        .. quick ? Array.Empty<Series>() : [new($"{Large}, 1 × 64", "c1", Points(Powers(1, 64, 4), rank => Training(Large, 1, 64, rank, device) * 1e3))],
    ]);

    private static Plot Batches(bool quick, Device device) => new("batch", "Generation by batch", "rows", "new tokens per second",
        [.. (quick ? [Small] : new[] { Small, "gpt2", Large }).Select((shape, i) => new Series(shape, $"c{i}", Points(Powers(1, quick ? 2 : 32), batch => batch / Step(shape, batch, 1, device))))]);

    private static Plot Adapters(bool quick, Device device) => new("adapters", "Decode step by number of adapters", "adapters", "ms per step",
    [
        new($"{Small}, 64 rows", "c0", Points(Powers(1, quick ? 2 : 64), adapters => Step(Small, 64, adapters, device) * 1e3)),
        .. quick ? Array.Empty<Series>() : [new($"{Large}, 32 rows", "c1", Points([1, 8, 32], adapters => Step(Large, 32, adapters, device) * 1e3))],
    ]);

    // Products of some rows with matrices of the size of the largest in gpt2, one after the other, so that they do not stay in the caches; against what the machine can do: multiplications in registers (on a GPU, a large product), and bytes from memory.
    private static Plot Roofline(bool quick, Device device)
    {
        const int Inputs = 768, Outputs = 3072, Layers = 48;   // 450 MB
        using var scope = NewDisposeScope();
        using var _ = inference_mode();
        const int Square = 4096;
        var many = randn(1 << 26, device: device);
        var (left, right) = (many.narrow(0, 0, Square * Square).view(Square, Square), many.narrow(0, Square * Square, Square * Square).view(Square, Square));
        var peak = (device.type == DeviceType.CPU ? Peak.PerSecond() : 2 * Math.Pow(Square, 3) / Once(() => left.mm(right))) / 1e9;
        var bandwidth = many.numel() * 4 / Once(() => many.sum()) / 1e9;
        var linears = Enumerable.Range(0, Layers).Select(_ => new Linear(Inputs, Outputs, bias: false, device: device)).ToList();
        foreach (var linear in linears) linear.Weight.detach().normal_(0, 0.02);   // memory that was never written is not there
        var next = 0;
        Linear Next() => linears[next++ % Layers];
        int[] rows = Powers(1, quick ? 2 : 512);
        List<(double X, double Y)> Measured(Func<Tensor, Tensor> product) => [.. rows.Select(count =>
        {
            var x = randn(count, Inputs, device: device);
            return (Intensity(count), 2.0 * count * Inputs * Outputs / Once(() => product(x)) / 1e9);
        })];
        return new("roofline", "Products with matrices of 3072 × 768", "operations per byte", "GFLOPS",
        [
            new(FormattableString.Invariant($"bound: {peak:F0} GFLOPS, {bandwidth:F0} GB/s"), "bound", [.. rows.Select(count => (Intensity(count), Math.Min(peak, bandwidth * Intensity(count))))]),
            new("this library", "c0", Measured(x => Next().call(x))),
            new("torch", "c1", Measured(x => nn.functional.linear(x, Next().Weight))),
        ]);

        static double Intensity(int count) => 2.0 * count * Inputs * Outputs / (4.0 * ((long)Inputs * Outputs + (long)count * (Inputs + Outputs)));

        // A value is read, so that a device has finished.
        static double Once(Func<Tensor> product) => Measure.Seconds(() =>
        {
            using var inner = NewDisposeScope();
            product().reshape(-1)[0].item<float>();
        }, Layers, Layers);
    }

    private static double Training(string shape, int batch, int length, int rank, Device device)
    {
        var (model, peft) = Shapes.Adapted(shape, rank, device: device, positions: length);
        using var _ = model;
        using var held = peft;
        return Measure.Median(Measure.TrainingSteps(peft, [TrainBenchmark.Random(model, batch, length)], WarmUp(shape), Runs(shape)).Seconds);
    }

    // Seconds of a decode step of all rows.
    private static double Step(string shape, int batch, int adapters, Device device)
    {
        const int Prompt = 8;
        var steps = shape == Small ? 64 : 8;
        var (model, peft) = Shapes.Adapted(shape, 8, device: device);
        using var _ = model;
        using var held = peft;
        double Seconds(int added) => GenerateBenchmark.Seconds(model, peft, GenerateBenchmark.Prompts(batch, Prompt), added, adapters, WarmUp(shape), Runs(shape));
        return (Seconds(1 + steps) - Seconds(1)) / steps;
    }

    // Seconds until the first token.
    private static double Reading(string shape, int prompt, Device device)
    {
        var (model, peft) = Shapes.Adapted(shape, 8, device: device, positions: prompt + 1);
        using var _ = model;
        using var held = peft;
        return GenerateBenchmark.Seconds(model, peft, GenerateBenchmark.Prompts(1, prompt), 1, 1, WarmUp(shape), Runs(shape));
    }

    private static int Runs(string shape) => shape == Small ? 9 : 3;

    // A run of a large model calls its kernels often enough to warm them up.
    private static int? WarmUp(string shape) => shape == Small ? null : 1;

    private static List<(double, double)> Points(int[] across, Func<int, double> cost) => [.. across.Select(x => ((double)x, cost(x)))];

    private static int[] Powers(int first, int last, int factor = 2)
    {
        var powers = new List<int>();
        for (var value = first; value <= last; value *= factor) powers.Add(value);
        return [.. powers];
    }
}
