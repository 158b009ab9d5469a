using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class Quantization : InFolder
{
    [Fact]
    public void Loading_and_merging()
    {
        // snippet: quantize-load
        using var model = CausalLM.FromPretrained("models/stories260K", new LoadOptions { Quantization = QuantizationOptions.Nf4(doubleQuantization: true) });
        using var peft = model.ApplyLora(rank: 8, targets: "all-linear");
        // end
        model.QuantizedWeights().Count.ShouldBe(35);
        // snippet: quantize-merge
        peft.Merge();                                    // dequantizes, adds, quantizes again
        foreach (var error in peft.MergeErrors) Console.WriteLine($"{error.Path}: the rounding error is {error.Relative:P0} of the adapter's update");
        peft.Unmerge();                                  // exact: the quantized weights were kept
        peft.MergeAndUnload(dequantize: true);           // a float model, merged without rounding
        // end
        model.QuantizedWeights().ShouldBeEmpty();
    }

    [Fact]
    public void Quantizing_by_samples()
    {
        // snippet: quantize-gptq
        using var model = CausalLM.FromPretrained("models/stories260K");
        var text = TextDataset.FromFile("train.txt", Tokenizer.FromPretrained("models/stories260K"), blockSize: 64);
        var samples = text.Batches(batchSize: 8).Take(16).Select(rows => text.GetBatch(rows)).ToList();
        // 172 intermediate units do not fill 32-bit words of 4-bit values: the feed-forward network of this model is not quantized.
        var options = QuantizationOptions.Gptq(bits: 4, groupSize: 32) with { SkipModules = ["gate_proj", "up_proj", "down_proj"] };
        CalibrationReport report = model.Quantize(options, samples);
        Console.WriteLine(report);                       // 20 weights, mean relative error …, perplexity … before, … after
        model.SavePretrained("out/gptq");                // the format of GPTQ checkpoints on the hub
        // end
        report.Weights.Count.ShouldBe(20);
        report.PerplexityAfter!.Value.ShouldBeLessThan(report.PerplexityBefore!.Value * 1.2);
        using var again = CausalLM.FromPretrained("out/gptq");
        again.QuantizedWeights().Count.ShouldBe(20);
    }

    [Fact]
    public void Starting_with_LoftQ()
    {
        // snippet: quantize-loftq
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLoftQ(new LoraOptions { Rank = 8, Alpha = 8 }, QuantizationOptions.Nf4(), iterations: 5);
        // end
        model.QuantizedWeights().Count.ShouldBe(35);
    }
}
