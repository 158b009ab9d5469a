using System.CommandLine;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Training steps on sequences of random tokens without padding.</summary>
internal static class TrainBenchmark
{
    public static Command Command()
    {
        var (shape, batch, length, rank) = (Measure.Shape(), Measure.Number("--batch", 4), Measure.Number("--seq", 128), Measure.Number("--rank", 8));
        var (steps, warmup) = (Measure.Number("--steps", 10), Measure.Warmup());
        var (checkpointing, quantization) = (new Option<bool>("--checkpointing"), Measure.Quantization());
        var parts = new Option<int?>("--parts") { Description = "Number of parts of a batch that run in parallel; by default the number of threads." };
        var (dropout, modelDropout) = (new Option<double>("--dropout") { Description = "Dropout of LoRA." }, Measure.ModelDropout());
        var full = new Option<bool>("--full") { Description = "All weights are trained, without LoRA." };
        var config = new Option<string?>("--config") { Description = "The settings of an adapter as in adapter_config.json, or the name of such a file; by default LoRA." };
        var bound = new Option<int?>("--max-memory") { Description = "Bound on the memory of a step, in MiB (TrainingOptions.MaxMemory)." };
        var command = new Command("train", "Measures the milliseconds of a training step of an adapter or of all weights.") { shape, batch, length, rank, config, full, steps, warmup, checkpointing, parts, bound, quantization, dropout, modelDropout };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var model = Shapes.Model(at.GetValue(shape)!, Measure.Quantization(at.GetValue(quantization)!), device, positions: at.GetValue(length), modelDropout: at.GetValue(modelDropout));
            var options = Options(at.GetValue(config));
            ITrainable trained = at.GetValue(full) ? new ModuleTrainable(model)
                : options is null ? Shapes.Adapt(model, at.GetValue(shape)!, at.GetValue(rank), at.GetValue(dropout)) : model.ApplyAdapter(options);
            var (linear, all) = Shapes.Megabytes(model);
            model.CheckpointActivations = at.GetValue(checkpointing);
            var tokens = at.GetValue(batch) * at.GetValue(length);
            var measured = Measure.TrainingSteps(trained, [Random(model, at.GetValue(batch), at.GetValue(length))], at.GetValue(warmup), at.GetValue(steps), at.GetValue(parts), (long?)at.GetValue(bound) << 20);
            var seconds = Measure.Median(measured.Seconds);
            Measure.Print(at, new
            {
                benchmark = "train", shape = at.GetValue(shape), batch = at.GetValue(batch), seq = at.GetValue(length), full = at.GetValue(full), method = options?.PeftType, rank = at.GetValue(rank), dropout = at.GetValue(dropout), model_dropout = at.GetValue(modelDropout), parts = at.GetValue(parts), quantization = at.GetValue(quantization), linear_mb = linear, model_mb = all,
                checkpointing = at.GetValue(checkpointing), warmup = measured.WarmUp, step_ms = Math.Round(seconds * 1000, 2), first_step_ms = Math.Round(measured.First * 1000, 2), tokens_per_s = Math.Round(tokens / seconds, 1),
                peak_rss_mb = Measure.PeakMegabytes, memory_mb = Measure.Megabytes(measured.Memory),
            });
        });
        return command;
    }

    private static AdapterOptions? Options(string? config)
        => config is null ? null : AdapterConfig.Parse(config.TrimStart().StartsWith('{') ? config : File.ReadAllText(config));

    /// <summary>Random sequences, which are their own labels.</summary>
    public static Batch Random(Models.CausalLM model, int batch, int length)
    {
        var ids = randint(0, model.Config["vocab_size"]!.GetValue<int>(), [batch, length]);
        return new() { InputIds = ids, Labels = ids.clone() };
    }
}
