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
