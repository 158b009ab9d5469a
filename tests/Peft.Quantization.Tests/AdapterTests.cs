using Peft.Lora;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>Adapters on quantized models, against the same adapters on models with the dequantized values.</summary>
public class AdapterTests
{
    private const string Llama = """
        {"model_type":"llama","hidden_size":64,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"intermediate_size":168,"vocab_size":97,"max_position_embeddings":1024,
         "rms_norm_eps":1e-5,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":true}
        """;

    private const string Gpt2 = """
        {"model_type":"gpt2","vocab_size":97,"n_positions":1024,"n_embd":64,"n_layer":2,"n_head":4,"activation_function":"gelu_new","layer_norm_epsilon":1e-5,
         "resid_pdrop":0.0,"embd_pdrop":0.0,"attn_pdrop":0.0,"tie_word_embeddings":true}
        """;

    public static TheoryData<string, int> Models => new() { { Llama, 8 }, { Llama, 5 }, { Llama, 16 }, { Gpt2, 8 }, { Gpt2, 3 } };

    [Theory, MemberData(nameof(Models))]
    public void Logits_generated_tokens_and_gradients(string config, int rank)
    {
        using var scope = NewDisposeScope();
        var (quantized, adapter) = Adapted(config, rank, dequantize: false);
        var (plain, same) = Adapted(config, rank, dequantize: true);
        using (quantized)
        using (plain)
        {
            // One position and many: the kernel for few rows, and panels.
            quantized.ShouldComputeAs(plain, (1, 1), (1, 9), (3, 5), (2, 150), (1, 700));

            var tokens = randint(0, 97, [2, 40]);
            foreach (var (model, peft) in new[] { (quantized, adapter), (plain, same) }) model.Loss(new Batch { InputIds = tokens, Labels = tokens }).backward();
            foreach (var (mine, theirs) in adapter.Trainables.Zip(same.Trainables))
            {
                mine.Name.ShouldBe(theirs.Name);
                mine.Value.grad!.RelativeDifference(theirs.Value.grad!).ShouldBeLessThan(1e-4, mine.Name);
            }
        }
    }

    [Theory, InlineData(Llama), InlineData(Gpt2)]
    public void Gradients_with_checkpointed_activations(string config)
    {
        using var scope = NewDisposeScope();
        var (model, peft) = Adapted(config, 8, dequantize: false);
        using var own = model;
        model.train();
        var tokens = randint(0, 97, [2, 40]);
        var gradients = new List<Tensor[]>();
        foreach (var checkpointing in new[] { false, true })
        {
            model.CheckpointActivations = checkpointing;
            foreach (var trained in peft.Trainables) trained.Value.grad = null;
            model.Loss(new Batch { InputIds = tokens, Labels = tokens }).backward();
            gradients.Add([.. peft.Trainables.Select(trained => trained.Value.grad!.clone())]);
        }
        foreach (var (one, other) in gradients[1].Zip(gradients[0])) one.RelativeDifference(other).ShouldBeLessThan(1e-6);
    }

    // As computed from the weights before and after.
    [Theory, InlineData(true, 0.01), InlineData(true, 20), InlineData(false, 20)]
    public void Merging_reports_the_error_of_each_weight_and_warns_of_large_ones(bool fourBits, double size)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        using var model = CausalLM.FromConfig(ModelConfig.Parse(Llama));
        model.Quantize(fourBits ? QuantizationOptions.Nf4() : QuantizationOptions.LlmInt8());
        using var peft = model.ApplyLora(8, targets: ModuleSelector.AllLinear).Shake(0.05 * Math.Sqrt(size), seed: 3);
        var before = model.QuantizedWeights().ToDictionary(pair => pair.Key, pair => pair.Value.Read());
        peft.Merge();
        peft.MergeErrors.Count.ShouldBe(14);
        var worst = 0.0;
        foreach (var error in peft.MergeErrors)
        {
            var layer = peft.Find(PeftModel.DefaultName).Layers.Single(each => each.Target.Path == error.Path);
            var update = layer.Merge(new(before[error.Path], null))!.Weight.sub(before[error.Path]);
            var rounding = model.QuantizedWeights()[error.Path].Read().sub(before[error.Path]).sub(update);
            double Mean(Tensor values) => values.square().mean().sqrt().item<float>();
            error.Error.ShouldBe(Mean(rounding), 1e-3 * Mean(rounding), error.Path);
            error.Change.ShouldBe(Mean(update), 1e-3 * Mean(update), error.Path);
            error.Relative.ShouldBe(error.Error / error.Change, 1e-9);
            worst = Math.Max(worst, error.Relative);
        }
        var warnings = peft.Find(PeftModel.DefaultName).Warnings.Where(warning => warning.StartsWith("Merging into quantized weights", StringComparison.Ordinal)).ToList();
        (worst > MergeError.Bound).ShouldBe(fourBits && size < 1);
        warnings.Count.ShouldBe(worst > MergeError.Bound ? 1 : 0);
    }

    private static (CausalLM Model, PeftModel Peft) Adapted(string config, int rank, bool dequantize)
    {
        manual_seed(2);
        var model = CausalLM.FromConfig(ModelConfig.Parse(config));
        model.Quantize(QuantizationOptions.Nf4());
        if (dequantize) model.Dequantize();
        model.eval();
        return (model, model.ApplyLora(rank, targets: ModuleSelector.AllLinear).Shake(0.05, seed: 3));
    }
}
