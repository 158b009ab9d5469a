using System.Text.Json.Nodes;
using Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Alignment.Tests;

public sealed class SftTrainerTests : IDisposable
{
    private static readonly ModelConfig Config = ModelConfig.Parse("""
        {
          "model_type": "llama", "vocab_size": 720, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48,
          "max_position_embeddings": 128, "pad_token_id": 0, "eos_token_id": 2, "bos_token_id": 0, "initializer_range": 0.2
        }
        """);

    private readonly string folder = Directory.CreateTempSubdirectory().FullName;

    [Fact]
    public void One_call_from_a_file_to_a_trained_adapter()
    {
        var file = Path.Combine(folder, "chats.jsonl");
        File.WriteAllLines(file, new[] { ("Hello.", "Hi!"), ("Why?", "Because."), ("Add 2 and 3.", "5") }.Select(pair => $$"""{"messages": [{{Chats.Message("user", pair.Item1)}}, {{Chats.Message("assistant", pair.Item2)}}]}"""));
        using var model = CausalLM.FromConfig(Config, seed: 3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 8, ModulesToSave = ["lm_head"] });
        var data = SftDataset.FromFile(file, Chats.Tokenizer(), new() { AssistantOnly = true });
        var seen = new List<IReadOnlyDictionary<string, double>>();
        var result = SftTrainer.Create(peft, data, training: new() { MaxSteps = 80, LearningRate = 1e-2, Schedule = LearningRateSchedule.Constant }, evaluation: data).Train(new Reporter(progress => seen.Add(progress.Metrics)));
        result.Losses[^1].ShouldBeLessThan(0.1);
        seen[^1]["mean_token_accuracy"].ShouldBe(1);
        seen[^1]["entropy"].ShouldBeLessThan(seen[0]["entropy"]);
        seen[^1]["num_tokens"].ShouldBe(80.0 * Enumerable.Range(0, 3).Sum(data.LengthOf));
        result.Evaluations[^1].Metrics["mean_token_accuracy"].ShouldBe(1);
        result.Evaluations[^1].Metrics.Keys.ShouldNotContain("num_tokens");
    }

    [Theory]
    [InlineData(PackingStrategy.None)]
    [InlineData(PackingStrategy.BestFit)]
    public void A_resumed_run_ends_with_the_same_bits(PackingStrategy packing)
    {
        var options = new SftOptions { NeftuneAlpha = 5 };
        var training = new TrainingOptions { MaxSteps = 6, BatchSize = 2, GradientAccumulation = 2, LearningRate = 1e-2, OutputFolder = Path.Combine(folder, "whole"), SaveEverySteps = 2, KeepCheckpoints = null };
        var (whole, tokens) = Train(training);
        var (parts, resumedTokens) = Train(training with { OutputFolder = Path.Combine(folder, "parts"), ResumeFrom = Path.Combine(folder, "whole", "checkpoint-4") });
        parts.ShouldBe(whole);
        resumedTokens.ShouldBe(tokens);

        (float[] Bits, double Tokens) Train(TrainingOptions run)
        {
            using var model = CausalLM.FromConfig(Config, seed: 3);
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Dropout = 0.1 });
            var data = SftDataset.FromRows([.. Enumerable.Range(0, 24).Select(i => new JsonObject { ["prompt"] = "Add 2 and 3.", ["completion"] = string.Concat(Enumerable.Repeat($" {i}", 1 + i % 5)) })], Chats.Tokenizer(), new() { Packing = packing, MaxLength = 48 });
            var last = 0.0;
            SftTrainer.Create(peft, data, options, run).Train(new Reporter(progress => last = progress.Metrics["num_tokens"]));
            return ([.. peft.Trainables.SelectMany(tensor => tensor.Value.detach().reshape(-1).data<float>().ToArray())], last);
        }
    }

    [Fact]
    public void Another_objectives_checkpoint_is_refused()
    {
        using var model = CausalLM.FromConfig(Config, seed: 3);
        using var peft = model.ApplyLora(rank: 4);
        Should.Throw<TrainingException>(() => new SftObjective(peft).LoadState(new Dictionary<string, Tensor>())).Message.ShouldContain("another objective");
    }

    [Fact]
    public void Other_models_are_refused()
    {
        using var model = SequenceClassifier.FromConfig(Config, 2);
        using var peft = model.ApplyLora(rank: 4);
        Should.Throw<AdapterOptionsException>(() => SftTrainer.Create(peft, TrainingDataset.From(1, _ => null!))).Message.ShouldContain(nameof(CausalLM));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    private sealed class Reporter(Action<TrainingProgress> report) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value) => report(value);
    }
}
