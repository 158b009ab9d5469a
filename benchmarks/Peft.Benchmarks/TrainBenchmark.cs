using System.CommandLine;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Training steps on sequences of random tokens without padding.</summary>
internal static class TrainBenchmark
{
    public static Command Command()
    {
        var (shape, batch, length, rank) = (Measure.Shape(), Measure.Number("--batch", 4), Measure.Number("--seq", 128), Measure.Number("--rank", 8));
        var (steps, warmup, threads) = (Measure.Number("--steps", 10), Measure.Number("--warmup", 2), Measure.Number("--threads", 2));
        var (checkpointing, quantization) = (new Option<bool>("--checkpointing"), Measure.Quantization());
        var parts = new Option<int?>("--parts") { Description = "Number of parts of a batch that run in parallel; by default the number of threads." };
        var bound = new Option<int?>("--max-memory") { Description = "Bound on the memory of a step, in MiB (TrainingOptions.MaxMemory)." };
        var command = new Command("train", "Measures the milliseconds of a LoRA training step.") { shape, batch, length, rank, steps, warmup, threads, checkpointing, parts, bound, quantization };
        command.SetAction(at =>
        {
            set_num_threads(at.GetValue(threads));
            var (model, peft) = Shapes.Adapted(at.GetValue(shape)!, at.GetValue(rank), Measure.Quantization(at.GetValue(quantization)!));
            var (linear, all) = Shapes.Megabytes(model);
            model.CheckpointActivations = at.GetValue(checkpointing);
            using var ids = randint(0, model.Config["vocab_size"]!.GetValue<int>(), [at.GetValue(batch), at.GetValue(length)]);
            var (firstStep, each, memory) = Measure.TrainingSteps(peft, [new Batch { InputIds = ids, Labels = ids.clone() }], at.GetValue(warmup), at.GetValue(steps), at.GetValue(parts), (long?)at.GetValue(bound) << 20);
            var seconds = Measure.Median(each);
            Measure.Print(new
            {
                benchmark = "train", shape = at.GetValue(shape), batch = at.GetValue(batch), seq = at.GetValue(length), rank = at.GetValue(rank), threads = at.GetValue(threads), parts = at.GetValue(parts),
                quantization = at.GetValue(quantization), linear_mb = linear, model_mb = all, checkpointing = at.GetValue(checkpointing), step_ms = Math.Round(seconds * 1000, 2), first_step_ms = Math.Round(firstStep * 1000, 2), tokens_per_s = Math.Round(ids.numel() / seconds, 1), peak_rss_mb = Measure.PeakMegabytes, memory_mb = Measure.Megabytes(memory),
            });
        });
        return command;
    }
}
