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
    [InlineData("llama-seqcls")]
    [InlineData("gpt2-seqcls")]
    [InlineData("bert-mlm")]
    [InlineData("bert-qa")]
    [InlineData("bert-seqcls")]
    [InlineData("bert-tokcls")]
    [InlineData("distilbert-seqcls")]
    [InlineData("roberta-seqcls")]
    [InlineData("t5")]
    [InlineData("t5-gated")]
    public void Logits_and_loss_are_those_of_transformers(string name)
    {
        using var scope = NewDisposeScope();
        using var grad = no_grad();
        using var model = Reference.Load(name);
        var values = Reference.Values(name);
        var batch = Reference.Batch(name);
        var input = ModelInput.From(batch);
        if (model is Seq2SeqLM writer) input = input with { DecoderInputIds = writer.ShiftRight(values["labels"]) };

        model.forward(input).Difference(values["base_logits"]).ShouldBeLessThan(Tolerance);
        model.Loss(batch).reshape(1).Difference(values["base_loss"]).ShouldBeLessThan(Tolerance);
    }
}
