using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public sealed class TrainingMemoryTests
{
    private static ModelConfig Config(bool tied = true) => ModelConfig.Parse($$"""
        {"model_type": "llama", "hidden_size": 256, "num_hidden_layers": 3, "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 1024, "vocab_size": 2000, "max_position_embeddings": 512, "tie_word_embeddings": {{(tied ? "true" : "false")}}}
        """);

    private static readonly LoraOptions Lora = new() { Rank = 8, TargetModules = ModuleSelector.AllLinear };

    public static TheoryData<string> Kinds => ["none", "bfloat16", "nf4", "nf4_double", "llm_int8", "blockwise", "fp8"];

    [Theory, MemberData(nameof(Kinds))]
    public void The_weights_take_what_those_of_the_model_take(string kind)
    {
        using var scope = NewDisposeScope();
        foreach (var tied in new[] { true, false })
        {
            LoadOptions load = kind switch
            {
                "none" => new(),
                "bfloat16" => new() { Dtype = ScalarType.BFloat16 },
                _ => new() { Quantization = (QuantizationOptions)System.ComponentModel.TypeDescriptor.GetConverter(typeof(QuantizationOptions)).ConvertFromInvariantString(kind)! },
            };
            using var model = CausalLM.FromConfig(Config(tied), options: load with { Quantization = null });
            if (load.Quantization is { } quantization) model.Quantize(quantization);
            var bytes = model.parameters().Sum(parameter => parameter.numel() * parameter.ElementSize) + model.QuantizedWeights().Values.Sum(weight => weight.Bytes);
            ((double)TrainingMemory.Of(Config(tied), Lora, load).Weights).ShouldBe(bytes, 0.01 * bytes);
        }
    }

    [Fact]
    public void Adapter_and_optimizer_take_four_values_of_each_trained_parameter()
    {
        using var model = CausalLM.FromConfig(Config());
        using var peft = model.ApplyAdapter(Lora);
        var memory = TrainingMemory.Of(Config(), Lora);
        (memory.Adapter + memory.Optimizer).ShouldBe(16 * peft.CountParameters().Trainable);
        memory.Total.ShouldBe(memory.Weights + memory.Adapter + memory.Optimizer + memory.Activations);
    }

    public static TheoryData<FlatOptimizerOptions> Optimizers =>
    [
        new AdamWOptions(), new AdamWOptions { Paged = true }, new AdamW8BitOptions(), new AdamW8BitOptions { Paged = true }, new AdamW8BitOptions { SmallestRounded = 1 }, new SgdOptions(), new SgdOptions { Momentum = 0.9 },
        new LionOptions(), new MuonOptions(), new AdafactorOptions(), new AdamMiniOptions(), new ApolloOptions { Rank = 4 }, new GaLoreOptions { Rank = 4 }, new ScheduleFreeAdamWOptions(), new LayerwiseOptions { Layers = 2 },
    ];

    [Theory, MemberData(nameof(Optimizers))]
    public void The_state_takes_what_that_of_the_optimizer_takes(FlatOptimizerOptions options)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromConfig(Config());
        using var peft = model.ApplyAdapter(Lora);
        using var parameters = new FlatParameters(peft.Trainables, options.Groups);
        using var optimizer = options.Create(parameters, 1e-3);
        foreach (var trained in peft.Trainables) trained.Value.grad!.normal_();
        optimizer.BeginStep();
        optimizer.Step();
        var measured = optimizer.GetState().Where(pair => !pair.Key.StartsWith("step", StringComparison.Ordinal)).Sum(pair => pair.Value.numel() * pair.Value.ElementSize);
        var memory = TrainingMemory.Of(Config(), Lora, optimizer: options);
        var isPaged = options is AdamWOptions { Paged: true } or AdamW8BitOptions { Paged: true };
        // Some keep a few numbers of each tensor besides.
        ((double)(isPaged ? memory.Paged : memory.Optimizer)).ShouldBe(measured, 1e-3 * measured);
        (isPaged ? memory.Optimizer : memory.Paged).ShouldBe(0);
        memory.Total.ShouldBe(memory.Weights + memory.Adapter + memory.Optimizer + memory.Activations);
    }

    [Fact]
    public void Checkpointing_and_fewer_tokens_take_less()
    {
        var whole = TrainingMemory.Of(Config(), Lora, tokens: 4096).Activations;
        TrainingMemory.Of(Config(), Lora, tokens: 4096, checkpointing: true).Activations.ShouldBeLessThan(whole);
        TrainingMemory.Of(Config(), Lora, tokens: 1024).Activations.ShouldBeLessThan(whole);
        Should.Throw<ArgumentOutOfRangeException>(() => TrainingMemory.Of(Config(), Lora, tokens: 0));
    }

    [Fact]
    public void A_model_of_70_billion_parameters_is_computed_without_its_weights()
    {
        var config = ModelConfig.Parse("""
            {"model_type": "llama", "hidden_size": 8192, "num_hidden_layers": 80, "num_attention_heads": 64, "num_key_value_heads": 8, "intermediate_size": 28672, "vocab_size": 32000, "max_position_embeddings": 4096, "tie_word_embeddings": false}
            """);
        var memory = TrainingMemory.Of(config, Lora, new() { Quantization = QuantizationOptions.Nf4(doubleQuantization: true) });
        (TrainingMemory.Of(config, Lora).Weights / 4e9).ShouldBe(68.98, 0.01);   // billions of parameters
        (memory.Weights / 1e9).ShouldBeInRange(35, 38);
    }
}
