using System.Text.Json;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>LoftQ's alternating factors, on float and on quantized bases.</summary>
public class LoftqTests
{
    public static TheoryData<string> Weights => QuantizedOracle.Ids("loftq", choose: each => each.TryGetProperty("bits", out _));

    public static TheoryData<string> Starts => QuantizedOracle.Ids("loftq", choose: each => each.TryGetProperty("logits_change", out _));

    private static string Folder(string id) => Path.Combine(QuantizedOracle.Folder, "loftq", id);

    // Quantized once more after an SVD, whose last digits depend on the build of LAPACK: a few values may fall to the other side of a middle.
    [Theory, MemberData(nameof(Weights))]
    public void Quantized_weights_and_products_of_factors(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("loftq", id);
        var entry = QuantizedOracle.Entry("loftq", id);
        QuantizationOptions kind = entry.GetProperty("bits").GetInt32() == 4 ? QuantizationOptions.Nf4() : QuantizationOptions.LlmInt8();
        var input = file.Read("input");
        var (weight, a, b) = LoftQ.Alternate(input, kind, entry.GetProperty("rank").GetInt32(), 1, entry.GetProperty("iterations").GetInt32());
        using var matrix = weight;
        var (actual, expected) = (matrix.Dequantize().to(ScalarType.Float32), file.Read("quantized"));
        actual.isclose(expected, 1e-4, 1e-6).to(ScalarType.Float32).mean().item<float>().ShouldBeGreaterThan(0.995f);
        b.mm(a).Difference(file.Read("lora_B").mm(file.Read("lora_A"))).ShouldBeLessThan(2e-3);
        (input - actual - b.mm(a)).norm().item<float>().ShouldBe((float)entry.GetProperty("error_loftq").GetDouble(), 2e-3);
        // The error of the weight without its factors: of the input quantized alone in 4 bits, of the last turn in 8 bits.
        using var alone = kind.Quantize(input);
        var plain = kind is FourBitOptions ? alone.Dequantize().to(ScalarType.Float32) : actual;
        (input - plain).norm().item<float>().ShouldBe((float)entry.GetProperty("error_plain").GetDouble(), 1e-3);
    }

    [Theory, MemberData(nameof(Starts))]
    public void An_adapter_on_a_float_base(string id)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(Folder("base"));
        using var expected = new Expected(Folder(id));
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
        var options = (LoraOptions)AdapterConfig.Read(Path.Combine(Folder(id), "adapter"));
        options.Initialization.ShouldBe(LoraInitialization.Loftq);
        string[] targets = [.. expected.Below("residual.").Select(name => name[..^".weight".Length])];
        string[] others = [.. new ModelPaths(model).Linear.Except(targets)];
        using var peft = model.ApplyLoftQ(options, QuantizationOptions.Nf4() with { SkipModules = others }, QuantizedOracle.Entry("loftq", id).GetProperty("iterations").GetInt32());
        model.QuantizedWeights().Keys.Order(StringComparer.Ordinal).ShouldBe(targets.Order(StringComparer.Ordinal));
        foreach (var (path, weight) in model.QuantizedWeights()) weight.Read().Difference(expected.Read($"residual.{path}.weight")).ShouldBeLessThan(0.1);
        ShouldHaveProducts(peft, expected);
        AdaptedCase.Logits(model, expected).Difference(expected.Read("adapted_logits")).ShouldBeLessThan(0.02);
        peft.Find(PeftModel.DefaultName).Options.ShouldBeOfType<LoraOptions>().Initialization.ShouldBe(LoraInitialization.Default);
    }

    [Fact]
    public void An_adapter_on_a_base_that_is_quantized_already()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(QuantizedBaseTests.FolderOf("llama-nf4"));
        using var expected = new Expected(Folder("replace"));
        using var peft = model.ApplyAdapter((LoraOptions)AdapterConfig.Read(Path.Combine(Folder("replace"), "adapter")) with { Initialization = LoraInitialization.Default });
        peft.InitializeLoftQ(Folder("base"));
        ShouldHaveProducts(peft, expected);
        expected.ShouldEqual("adapted_logits", AdaptedCase.Logits(model, expected));
    }

    private static void ShouldHaveProducts(PeftModel peft, Expected expected)
    {
        var state = peft.StateOf(peft.Find(PeftModel.DefaultName));
        foreach (var key in expected.Below("init.").Where(key => key.EndsWith("lora_A.weight", StringComparison.Ordinal)))
        {
            var other = key.Replace("lora_A", "lora_B", StringComparison.Ordinal);
            state[other].mm(state[key]).Difference(expected.Read("init." + other).mm(expected.Read("init." + key))).ShouldBeLessThan(2e-3, key);
        }
    }

    private sealed record ModelPaths(nn.Module Model)
    {
        public IEnumerable<string> Linear => Model.named_modules().Where(pair => pair.module is Modules.Linear).Select(pair => pair.name);
    }
}
