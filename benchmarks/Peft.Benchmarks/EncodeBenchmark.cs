using System.CommandLine;
using System.Diagnostics;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Benchmarks;

/// <summary>Classification with an encoder of MiniLM's size: training steps and predictions on texts of different lengths, as in banking77.</summary>
internal static class EncodeBenchmark
{
    private const int Classes = 77, Vocabulary = 30522;

    public static Command Command()
    {
        var (batch, rank, steps, warmup) = (Measure.Number("--batch", 32), Measure.Number("--rank", 8), Measure.Number("--steps", 20), Measure.Number("--warmup", 10));
        var (threads, padded) = (Measure.Number("--threads", 2), new Option<bool>("--padded") { Description = "Computes padding too, for comparison." });
        var dropout = new Option<double>("--dropout") { DefaultValueFactory = _ => 0.1 };
        var command = new Command("encode", "Measures training and prediction of a text classifier with an encoder, in tokens per second without padding.") { batch, rank, steps, warmup, threads, padded, dropout };
        command.SetAction(at =>
        {
            set_num_threads(at.GetValue(threads));
            using var model = SequenceClassifier.FromConfig(ModelConfig.Parse(Config(at.GetValue(dropout))), options: new() { LabelCount = Classes, Pooling = Pooling.Mean });
            using var peft = model.ApplyLora(at.GetValue(rank), targets: new[] { "query", "key", "value", "dense" });
            // An observer gets the batch as it is.
            using var observed = at.GetValue(padded) ? peft.Observe((_, _) => { }) : null;
            var random = new Random(1);
            var batches = Enumerable.Range(0, 16).Select(_ => Padded([.. Enumerable.Range(0, at.GetValue(batch)).Select(_ => Length(random))])).ToList();
            var (measured, first) = (at.GetValue(steps), at.GetValue(warmup));
            var trained = Measure.TrainingSteps(peft, batches, first, measured).Seconds.Sum();
            var tokens = Tokens(batches, first, measured);
            var trainingPeak = Measure.PeakMegabytes;
            model.eval();
            var clock = new Stopwatch();
            for (var i = 0; i < first + measured; i++)
            {
                if (i == first) clock.Start();
                using var scope = NewDisposeScope();
                using var _ = inference_mode();
                model.forward(ModelInput.From(batches[i % batches.Count]));
            }
            var predicted = clock.Elapsed.TotalSeconds;
            Measure.Print(new
            {
                benchmark = "encode", batch = at.GetValue(batch), rank = at.GetValue(rank), threads = at.GetValue(threads), dropout = at.GetValue(dropout), padded = at.GetValue(padded),
                real = Math.Round(batches.Sum(each => each.Tokens) / (double)batches.Sum(each => each.InputIds.numel()), 3),
                step_ms = Math.Round(trained * 1000 / measured, 2), train_tokens_per_s = Math.Round(tokens / trained, 1),
                predict_ms = Math.Round(predicted * 1000 / measured, 2), predict_tokens_per_s = Math.Round(tokens / predicted, 1), train_peak_rss_mb = trainingPeak, peak_rss_mb = Measure.PeakMegabytes,
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

    private static string Config(double dropout) => FormattableString.Invariant($$"""
        {"model_type":"bert","vocab_size":{{Vocabulary}},"hidden_size":384,"num_hidden_layers":6,"num_attention_heads":12,"intermediate_size":1536,"hidden_act":"gelu","max_position_embeddings":512,
         "type_vocab_size":2,"layer_norm_eps":1e-12,"pad_token_id":0,"hidden_dropout_prob":{{dropout}},"attention_probs_dropout_prob":{{dropout}}}
        """);
}
