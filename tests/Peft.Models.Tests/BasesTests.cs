using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Models.Tests;

public class BasesTests
{
    // Float32 sums in another order: 1e-5 is a hundred times what was seen, and a twentieth of the oracle's own tolerance.
    private const double Tolerance = 1e-5;

    [Theory]
    [InlineData("llama")]
    [InlineData("llama3")]
    [InlineData("gpt2")]
    [InlineData("mistral")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    [InlineData("gemma")]
    [InlineData("gemma2")]
    [InlineData("gemma3")]
    [InlineData("phi3")]
    [InlineData("gpt-neox")]
    [InlineData("opt")]
    public void Logits_and_loss_are_those_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = CausalLM.FromPretrained(Reference.Folder(name));
        var values = Reference.Values(name);
        var input = new ModelInput { InputIds = values["input_ids"], AttentionMask = values["attention_mask"] };

        model.forward(input).Difference(values["base_logits"]).ShouldBeLessThan(Tolerance);
        model.Loss(input, values["labels"]).reshape(1).Difference(values["base_loss"]).ShouldBeLessThan(Tolerance);
    }
}
