using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>A checkpoint in float32 is quantized tensor by tensor while it is read.</summary>
[Collection(Alone.Name)]
public sealed class LoadingMemoryTests : IDisposable
{
    // 126 MB in float32, of which a tensor takes 4.
    private const string Llama = """
        {"model_type":"llama","hidden_size":512,"num_hidden_layers":8,"num_attention_heads":8,"num_key_value_heads":4,"intermediate_size":2048,"vocab_size":97,"max_position_embeddings":1024,
         "rms_norm_eps":1e-5,"rope_theta":10000.0,"hidden_act":"silu","tie_word_embeddings":true}
        """;

    private readonly TemporaryFolder folder = new();

    [Fact]
    public void The_process_grows_by_the_quantized_model_and_a_few_tensors()
    {
        long whole;
        using (var model = CausalLM.FromConfig(ModelConfig.Parse(Llama)))
        {
            whole = model.parameters().Sum(parameter => parameter.numel() * parameter.ElementSize);
            model.SavePretrained(folder.Path);
        }
        var options = new LoadOptions { Quantization = QuantizationOptions.Nf4(doubleQuantization: true) };
        using (CausalLM.FromPretrained(folder.Path, options)) { }   // loads code
        MemoryMeter.Trim();
        using var meter = new MemoryMeter();
        var before = meter.Restart();
        using var quantized = CausalLM.FromPretrained(folder.Path, options);
        var (bytes, growth) = (quantized.QuantizedWeights().Values.Sum(weight => weight.Bytes), meter.Peak - before);
        bytes.ShouldBeLessThan((long)(0.13 * whole));
        growth.ShouldBeLessThan((long)(0.5 * whole));
    }

    public void Dispose() => folder.Dispose();
}
