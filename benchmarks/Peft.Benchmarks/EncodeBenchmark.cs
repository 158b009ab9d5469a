using System.CommandLine;
using System.Diagnostics;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Classification with an encoder: training steps and predictions on texts of different lengths, as in banking77.</summary>
internal static class EncodeBenchmark
{
    private const int Classes = 77, Vocabulary = 30522;

    public static Command Command()
    {
        var (shape, batch, rank) = (Measure.Shape("minilm", Shapes.Encoders), Measure.Number("--batch", 32), Measure.Number("--rank", 8));
        var (steps, warmup) = (Measure.Number("--steps", 20), Measure.Warmup());
        var padded = new Option<bool>("--padded") { Description = "Computes padding too, for comparison." };
        var dropout = new Option<double>("--dropout") { DefaultValueFactory = _ => 0.1 };
        var command = new Command("encode", "Measures training and prediction of a text classifier with an encoder, in tokens per second without padding.") { shape, batch, rank, steps, warmup, padded, dropout };
        command.SetAction(at =>
        {
            var device = Common.Apply(at);
            var memory = new MemoryPhases();
            using var model = SequenceClassifier.FromConfig(ModelConfig.Parse(Shapes.Config(at.GetValue(shape)!)).With("hidden_dropout_prob", at.GetValue(dropout)).With("attention_probs_dropout_prob", at.GetValue(dropout)),
                options: new() { Device = device, LabelCount = Classes, Pooling = Pooling.Mean });
            using var peft = model.ApplyLora(at.GetValue(rank), targets: new[] { "query", "key", "value", "dense" });
            // An observer gets the batch as it is.
            using var observed = at.GetValue(padded) ? peft.Observe((_, _) => { }) : null;
            var random = new Random(1);
            var batches = Enumerable.Range(0, 16).Select(_ => Padded([.. Enumerable.Range(0, at.GetValue(batch)).Select(_ => Length(random))])).ToList();
            memory.End("load");
            var measured = at.GetValue(steps);
            var (_, first, each, _) = Measure.TrainingSteps(peft, batches, at.GetValue(warmup), measured);
            memory.End("training");
            model.eval();
            var predicted = new List<double>();
            var step = 0;
            Measure.Seconds(() =>
            {
                var watch = Stopwatch.StartNew();
                using var scope = NewDisposeScope();
                using var _ = inference_mode();
                model.forward(ModelInput.From(batches[step++ % batches.Count].To(device))).cpu();
                predicted.Add(watch.Elapsed.TotalSeconds);
            }, at.GetValue(warmup), measured);
            memory.End("prediction");
            var (trained, predictions) = (each.Sum(), predicted.TakeLast(measured).Sum());
            Measure.Print(at, new
            {
                benchmark = "encode", shape = at.GetValue(shape), batch = at.GetValue(batch), rank = at.GetValue(rank), dropout = at.GetValue(dropout), padded = at.GetValue(padded),
                real = Math.Round(batches.Sum(each => each.Tokens) / (double)batches.Sum(each => each.InputIds.numel()), 3),
                warmup = first, step_ms = Math.Round(trained * 1000 / measured, 2), tokens_per_s = Math.Round(Tokens(batches, first, measured) / trained, 1),
                predict_ms = Math.Round(predictions * 1000 / measured, 2), predict_tokens_per_s = Math.Round(Tokens(batches, step - measured, measured) / predictions, 1), peak_rss_mb = memory.Peak, memory_mb = memory.Megabytes,
            });
        });
        return command;
    }

    private static double Tokens(List<Batch> batches, int first, int count) => Enumerable.Range(first, count).Sum(step => batches[step % batches.Count].Tokens);

    // Like the questions of banking77 in MiniLM's word pieces: log-normal with a median of 14 tokens and a long tail, special tokens included.
    private static int Length(Random random) => Math.Clamp((int)Math.Round(14 * Math.Exp(0.55 * Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble()))), 5, 98);

    private static Batch Padded(int[] lengths)
    {
        var ids = randint(1, Vocabulary, [lengths.Length, lengths.Max()]);
        var mask = zeros_like(ids);
        foreach (var (row, length) in lengths.Index()) mask[row].narrow(0, 0, length).fill_(1);
        return new() { InputIds = ids.mul(mask), AttentionMask = mask, Labels = randint(0, Classes, [lengths.Length]) };
    }
}
