using static TorchSharp.torch;

namespace Peft.Models.Tests;

/// <summary>Training under a bound on the memory of the process.</summary>
[Collection(Alone.Name)]
public sealed class BoundedTrainingTests
{
    private const long Plenty = 1L << 50, Megabyte = 1 << 20;

    [Theory]
    [InlineData("llama", false)]
    [InlineData("llama", true)]
    [InlineData("gpt2", false)]
    [InlineData("t5", false)]
    public void Micro_batches_train_as_the_whole_does(string kind, bool checkpointing)
    {
        var passes = 0;
        var whole = Train(null);
        passes.ShouldBe(5);
        foreach (var parts in new[] { 1, 2 })
        {
            var divided = Train(Plenty, parts);
            divided.Losses.Zip(whole.Losses).ShouldAllBe(pair => Math.Abs(pair.First - pair.Second) < 1e-4 * pair.Second);   // sums in another order
            passes.ShouldBeGreaterThan(5 * parts, "the first steps run in micro-batches");
        }

        TrainingResult Train(long? bound, int parts = 1)
        {
            using var scope = NewDisposeScope();
            using var model = TinyModels.Create(kind, 30);
            model.CheckpointActivations = checkpointing;
            manual_seed(1);
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, TargetModules = ModuleSelector.AllLinear });
            using var counted = new ForwardPasses(model);
            var result = new Trainer(peft, ParallelTrainingTests.Rows(_ => { }), new() { MaxSteps = 5, LearningRate = 5e-3, BatchSize = 6, ParallelParts = parts, MaxMemory = bound }).Train();
            passes = counted.Count;
            return result;
        }
    }

    // A whole step keeps some 300 MB of activations, a row 10.
    [Fact]
    public void The_process_stays_below_the_bound()
    {
        using var model = Large();
        using var peft = model.ApplyLora(rank: 4, targets: ModuleSelector.AllLinear);
        var bound = InUse(peft) + 160 * Megabyte;
        var bounded = new Trainer(peft, Long(32), Options with { MaxMemory = bound }).Train().Memory;
        bounded.Training!.Value.ShouldBeLessThan(bound);
        var free = new Trainer(peft, Long(32), Options).Train().Memory;
        free.Training!.Value.ShouldBeGreaterThan(bound + 50 * Megabyte);
    }

    [Fact]
    public void A_row_that_needs_more_than_the_bound_is_refused_with_what_it_took()
    {
        using var model = Large(layers: 8);
        using var peft = model.ApplyLora(rank: 4, targets: ModuleSelector.AllLinear);
        var bound = InUse(peft) + 20 * Megabyte;   // less than the activations of a row of 2,048 tokens, more than what else changes
        var error = Should.Throw<NotEnoughMemoryException>(() => new Trainer(peft, Long(2, 2048), Options with { BatchSize = 2, MaxMemory = bound }).Train());
        error.Message.ShouldMatch("MaxMemory is [0-9,.]+ .iB, but a step took [0-9,.]+ .iB, of which [0-9,.]+ .iB were in use before it. Its largest micro-batch has one row with 2048 positions");
        error.Message.ShouldContain("CheckpointActivations");
    }

    // What the process takes when a run begins. The run before loads code.
    private static long InUse(PeftModel peft)
    {
        long Start() => new Trainer(peft, Long(1), Options with { BatchSize = 1, MaxMemory = Plenty }).Train().Memory.Start;
        Start();
        return Start();
    }

    private static TrainingOptions Options { get; } = new() { MaxSteps = 6, BatchSize = 32, LearningRate = 1e-4 };

    private static CausalLM Large(int layers = 4) => CausalLM.FromConfig(ModelConfig.Parse($$"""
        {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": {{layers}}, "num_attention_heads": 4, "num_key_value_heads": 4, "intermediate_size": 256, "vocab_size": 64, "max_position_embeddings": 2048}
        """));

    private static TrainingDataset Long(int count, int length = 512) => TrainingDataset.From(count, rows =>
    {
        using var generator = new Generator(5);
        var ids = randint(0, 64, [rows.Count, length], generator: generator);
        return new() { InputIds = ids, Labels = ids.clone(), Weight = rows.Count * (length - 1) };
    });
}
