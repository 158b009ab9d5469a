using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Quantization.Tests;

/// <summary>A quantized model against the same model with dequantized weights.</summary>
internal static class DequantizedModel
{
    /// <summary>Checks the logits, in inference mode and without gradients, and generated tokens.</summary>
    /// <param name="quantized">The quantized model.</param>
    /// <param name="plain">The dequantized one.</param>
    /// <param name="sizes">Rows and positions of the inputs.</param>
    public static void ShouldComputeAs(this CausalLM quantized, CausalLM plain, params IEnumerable<(int Batch, int Length)> sizes)
    {
        manual_seed(4);
        foreach (var (batch, length) in sizes)
            foreach (var decoding in new[] { true, false })
            {
                using var _ = inference_mode(decoding);
                using var __ = no_grad();
                var ids = randint(0, 97, [batch, length]);
                quantized.call(ids).RelativeDifference(plain.call(ids)).ShouldBeLessThan(2e-5);
            }
        var options = new GenerationOptions { MaxNewTokens = 24, MinNewTokens = 24 };
        IReadOnlyList<int>[] prompts = [[3, 4, 5, 6], [9, 8, 7, 6]];
        quantized.Generate(prompts, options).ShouldBe(plain.Generate(prompts, options));
    }
}
