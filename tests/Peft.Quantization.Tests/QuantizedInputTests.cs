using Peft.Lora;
using Peft.Modules;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>LLM.int8 weights that round their inputs to 8 bits, with an adapter.</summary>
public class QuantizedInputTests
{
    // The rows of a decode step, and of prompts.
    [Theory, InlineData(3), InlineData(40), InlineData(200)]
    public void An_adapter_adds_its_update_to_the_product_with_rounded_inputs(int rows)
    {
        using var scope = NewDisposeScope();
        manual_seed(2);
        using var model = nn.Sequential(("first", new Linear(256, 128)));
        using (no_grad())
            foreach (var parameter in model.parameters()) parameter.normal_(0, 0.1);
        model.Quantize(QuantizationOptions.LlmInt8()).eval();
        using var _ = inference_mode();
        var x = randn(1, rows, 256);
        var plain = model.call(x);
        var rounded = model.QuantizeInputs().call(x);
        rounded.Difference(plain).ShouldBeGreaterThan(1e-3);
        using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, TargetModules = ["first"] });
        foreach (var (_, tensor) in peft.Trainables) tensor.normal_(0, 0.1);
        Tensor Factor(string name) => peft.Trainables.Single(trainable => trainable.Name.Contains(name, StringComparison.Ordinal)).Value;
        var update = x.matmul(Factor("lora_A").t()).matmul(Factor("lora_B").t()).mul(Constant(2));
        model.call(x).Difference(rounded.add(update, One)).ShouldBeLessThan(1e-4);
    }
}
