using Peft.Models;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>Initializations by data give on a quantized model what they give on the float model with the same values.</summary>
public class InitializingTests
{
    public static TheoryData<string, string> Models
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var name in new[] { "llama", "gpt2" })
                foreach (var kind in new[] { "nf4", "int8" }) data.Add(name, kind);
            return data;
        }
    }

    private static (CausalLM Quantized, CausalLM Float) Pair(string name, string kind)
    {
        var options = kind == "nf4" ? (QuantizationOptions)QuantizationOptions.Nf4() : QuantizationOptions.LlmInt8();
        return (((CausalLM)AdaptedCase.LoadBase(name)).Quantize(options), ((CausalLM)AdaptedCase.LoadBase(name)).Quantize(options).Dequantize());
    }

    private static Batch[] Samples() => [.. Enumerable.Range(0, 3).Select(n => new Batch
    {
        InputIds = tensor(Enumerable.Range(0, 32).Select(i => (long)((i * 7 + n * 13) % 40 + 3)).ToArray(), [2, 16]), Labels = tensor(Enumerable.Range(0, 32).Select(i => (long)((i * 7 + n * 13) % 40 + 3)).ToArray(), [2, 16]),
    })];

    [Theory, MemberData(nameof(Models))]
    public void LoRA_GA(string name, string kind)
    {
        using var scope = NewDisposeScope();
        var (quantized, floats) = Pair(name, kind);
        using var first = quantized;
        using var second = floats;
        var products = new List<Dictionary<string, Tensor>>();
        foreach (var model in new[] { quantized, floats })
        {
            using var peft = model.ApplyAdapter(new LoraOptions { Rank = 4, Alpha = 8, Initialization = LoraInitialization.LoraGa, TargetModules = "all-linear" });
            peft.InitializeLoraGa(Samples(), model.Loss);
            products.Add(Products(peft));
            // The product is subtracted from the weight: nothing changes at first.
            using var _ = no_grad();
            var logits = model.call(Samples()[0].InputIds);
            using (peft.WithoutAdapters()) logits.RelativeDifference(model.call(Samples()[0].InputIds)).ShouldBeLessThan(1e-4);
        }
        products[0].Count.ShouldBeGreaterThan(7);
        foreach (var (path, product) in products[0]) product.RelativeDifference(products[1][path]).ShouldBeLessThan(1e-3, path);
        foreach (var weight in quantized.QuantizedWeights().Values) weight.Gradient.ShouldBeNull();
    }

    [Theory, MemberData(nameof(Models))]
    public void EVA(string name, string kind)
    {
        using var scope = NewDisposeScope();
        var (quantized, floats) = Pair(name, kind);
        using var first = quantized;
        using var second = floats;
        var states = new List<IReadOnlyDictionary<string, Tensor>>();
        foreach (var model in new[] { quantized, floats })
        {
            using var peft = model.ApplyLora(rank: 4, targets: "all-linear");
            peft.InitializeEva(Samples(), batch => model.call(batch.InputIds).Dispose());
            states.Add(peft.StateOf(peft.Find(PeftModel.DefaultName)).ToDictionary(pair => pair.Key, pair => pair.Value.clone()));
        }
        foreach (var (key, value) in states[0])
        {
            value.shape.ShouldBe(states[1][key].shape, key);
            // Components come with any sign.
            if (key.Contains("lora_A", StringComparison.Ordinal)) (value.t().mm(value)).RelativeDifference(states[1][key].t().mm(states[1][key])).ShouldBeLessThan(5e-3, key);
        }
    }

    private static Dictionary<string, Tensor> Products(PeftModel peft)
    {
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        return state.Keys.Where(key => key.Contains("lora_A", StringComparison.Ordinal)).ToDictionary(key => key, key => state[key.Replace("lora_A", "lora_B", StringComparison.Ordinal)].mm(state[key]).clone());
    }
}
