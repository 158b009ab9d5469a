using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Training and generation without each technique give the same results. Runs alone: the options hold for the whole process.</summary>
[Collection(Alone.Name)]
public sealed class CpuOptionsTests : IDisposable
{
    // Float32 sums in another order, through two layers and some steps.
    private const float Tolerance = 2e-4f;

    private static readonly Dictionary<string, float[]> Results = [];

    public static TheoryData<string> Techniques => [.. typeof(CpuOptions).GetProperties().Where(property => property.PropertyType == typeof(bool)).Select(property => property.Name)];

    public void Dispose() => TorchRuntime.Cpu = new();

    private static CpuOptions Without(string technique)
    {
        var options = new CpuOptions();
        typeof(CpuOptions).GetProperty(technique)!.SetValue(options, false);
        return options;
    }

    [Theory, MemberData(nameof(Techniques))]
    public void Results_without_a_technique_are_the_same(string technique)
    {
        foreach (var (name, run) in new (string, Func<float[]>)[]
        {
            ("llama", () => Decoder("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """)),
            ("gpt2", () => Decoder("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0 """)),
            ("bert", Encoder),
        })
        {
            if (!Results.TryGetValue(name, out var expected)) Results[name] = expected = run();
            TorchRuntime.Cpu = Without(technique);
            var actual = run();
            TorchRuntime.Cpu = new();
            actual.Length.ShouldBe(expected.Length);
            for (var i = 0; i < actual.Length; i++) actual[i].ShouldBe(expected[i], Tolerance * Math.Max(1, Math.Abs(expected[i])), $"{name} without {technique}, value {i}");
        }
    }

    [Fact]
    public void Layers_batches_and_prompts_follow_their_switches()
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create("llama", """ "num_key_value_heads": 2, "rms_norm_eps": 1e-5, "hidden_act": "silu" """);
        using var peft = DecodeLayerTests.Adapt(model);
        foreach (var technique in new[] { nameof(CpuOptions.LayerNodes), nameof(CpuOptions.Attention) }) Switches(() => TrainingNodeTests.Taken(model).Attention, technique);
        using (var dropping = DecodeLayerTests.Create("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "resid_pdrop": 0.1 """))
        {
            using var lora = DecodeLayerTests.Adapt(dropping);
            dropping.train();
            Switches(() => TrainingNodeTests.Taken(dropping).FeedForward, nameof(CpuOptions.DropoutMasks));
        }
        var (input, labels) = Pairs();
        Switches(() => PackedRows.Of(model, input, labels) is not null, nameof(CpuOptions.UnpaddedBatches));
        Switches(() => PackedRows.Of(model, input, labels)!.Input.PackedParents is not null, nameof(CpuOptions.SharedPrompts));

        static void Switches(Func<bool> applies, string technique)
        {
            applies().ShouldBeTrue(technique);
            TorchRuntime.Cpu = Without(technique);
            applies().ShouldBeFalse(technique);
            TorchRuntime.Cpu = new();
        }
    }

    [Theory]
    [InlineData("qwen3", """ "num_key_value_heads": 2, "head_dim": 16, "rms_norm_eps": 1e-5, "hidden_act": "silu" """)]
    [InlineData("gpt2", """ "n_embd": 32, "n_head": 4, "n_layer": 2, "n_inner": 48, "n_positions": 64, "activation_function": "gelu_new", "attn_pdrop": 0.1, "embd_pdrop": 0.0, "resid_pdrop": 0.0 """)]
    public void Long_batches_train_to_the_same_bits_with_values_recomputed(string type, string fields)
    {
        var recomputed = Run();
        TorchRuntime.Cpu = Without(nameof(CpuOptions.RecomputedProjections));
        var kept = Run();
        TorchRuntime.Cpu = new();
        recomputed.ShouldBe(kept);

        // 45 × 60 tokens of at least 64 queries, keys and values are more than 2¹⁷ values.
        float[] Run()
        {
            using var scope = NewDisposeScope();
            using var model = DecodeLayerTests.Create(type, fields);
            using var peft = DecodeLayerTests.Adapt(model);
            manual_seed(8);
            var ids = randint(1, 20, [45, 60], ScalarType.Int64);
            var result = new Trainer(peft, TrainingDataset.From(1, _ => new() { InputIds = ids.clone(), Labels = ids.clone() }), new TrainingOptions { MaxSteps = 2, BatchSize = 1, LearningRate = 1e-3, ParallelParts = 1 }).Train();
            return [.. result.Losses.Select(loss => (float)loss), .. peft.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];
        }
    }

    // Losses and weights of training steps, and logits of decode steps.
    private static float[] Decoder(string type, string fields)
    {
        using var scope = NewDisposeScope();
        using var model = DecodeLayerTests.Create(type, fields);
        using var peft = DecodeLayerTests.Adapt(model);
        var (input, labels) = Pairs();
        var values = Train(peft, new() { InputIds = input.InputIds!, AttentionMask = input.AttentionMask, Labels = labels });
        model.eval();
        var seen = new List<float>();
        model.Generate([[5, 1, 3, 2], [7, 4, 11, 6], [9, 8, 2, 10]], new GenerationOptions { MaxNewTokens = 4, MinNewTokens = 4, LogitsProcessors = [new Recorder(seen)] });
        return [.. values, .. seen];
    }

    // Losses and weights of training steps of a classifier, and its predictions.
    private static float[] Encoder()
    {
        using var scope = NewDisposeScope();
        using var model = SequenceClassifier.FromConfig(ModelConfig.Parse("""
            {"model_type":"bert","vocab_size":24,"hidden_size":32,"num_hidden_layers":2,"num_attention_heads":4,"intermediate_size":48,"hidden_act":"gelu","max_position_embeddings":64,
             "type_vocab_size":2,"layer_norm_eps":1e-12,"pad_token_id":0,"hidden_dropout_prob":0.0,"attention_probs_dropout_prob":0.0,"initializer_range":0.3}
            """), options: new() { LabelCount = 3 }, seed: 3);
        using var peft = model.ApplyLora(4, targets: new[] { "query", "value", "dense" });
        var (input, _) = Pairs();
        var values = Train(peft, new() { InputIds = input.InputIds!, AttentionMask = input.AttentionMask, Labels = tensor(new long[] { 0, 2, 1, 0 }) });
        model.eval();
        using var _ = inference_mode();
        return [.. values, .. model.forward(input).reshape(-1).data<float>().ToArray()];
    }

    private static float[] Train(PeftModel peft, Batch batch)
    {
        var result = new Trainer(peft, TrainingDataset.From(1, _ => new() { InputIds = batch.InputIds.clone(), AttentionMask = batch.AttentionMask!.clone(), Labels = batch.Labels!.clone() }),
            new TrainingOptions { MaxSteps = 3, BatchSize = 1, LearningRate = 1e-3, ParallelParts = 2 }).Train();
        return [.. result.Losses.Select(loss => (float)loss), .. peft.Trainables.SelectMany(each => each.Value.detach().reshape(-1).data<float>().ToArray())];
    }

    // Two prompts with two continuations each, padded on the right.
    private static (ModelInput Input, Tensor Labels) Pairs()
    {
        long[][] rows = [[5, 6, 7, 8, 9, 10], [5, 6, 7, 11], [3, 4, 12, 13, 14], [3, 4, 15]];
        long[] ids = [.. rows.SelectMany(row => row.Concat(new long[6 - row.Length]))], mask = [.. rows.SelectMany(row => Enumerable.Range(0, 6).Select(i => i < row.Length ? 1L : 0))];
        // Only continuations have labels.
        long[] labels = [.. rows.SelectMany((row, index) => Enumerable.Range(0, 6).Select(i => i < row.Length && i >= (index < 2 ? 3 : 2) ? row[i] : -100))];
        return (new() { InputIds = tensor(ids, [4, 6]), AttentionMask = tensor(mask, [4, 6]) }, tensor(labels, [4, 6]));
    }

    private sealed class Recorder(List<float> seen) : ILogitsProcessor
    {
        public Tensor Process(LogitsContext context, Tensor scores)
        {
            seen.AddRange(scores.reshape(-1).data<float>().ToArray());
            return scores;
        }
    }
}
