using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>Tiny models that transformers saved quantized.</summary>
public class QuantizedBaseTests
{
    public static TheoryData<string> Bases => QuantizedOracle.Ids("bases");

    public static string FolderOf(string id) => Path.Combine(QuantizedOracle.Folder, "bases", id);

    [Theory, MemberData(nameof(Bases))]
    public void Logits_and_dequantized_weights(string id)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(FolderOf(id));
        using var expected = new Expected(FolderOf(id));
        var weights = model.QuantizedWeights();
        weights.Keys.Order(StringComparer.Ordinal).ShouldBe(QuantizedOracle.Entry("bases", id).GetProperty("quantized").EnumerateArray().Select(each => each.GetString()!).Order(StringComparer.Ordinal));
        foreach (var name in expected.Below("dequantized."))
        {
            var matrix = weights[name[..^".weight".Length]].Matrix;
            matrix.Dequantize().ShouldBeExactly(expected.Read("dequantized." + name));
        }
        // int8 and half-width bases: by a float32 model of the dequantized weights.
        var exact = expected.Has("dequantized_logits");
        expected.ShouldEqual(exact ? "dequantized_logits" : "base_logits", AdaptedCase.Logits(model, expected));
        if (!exact) expected.ShouldEqual("base_loss", model.Loss(AdaptedCase.Batch(expected)).reshape(1));
    }

    [Fact]
    public void LLM_int8_with_rounded_inputs_has_the_logits_of_bitsandbytes()
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(FolderOf("llama-int8")).QuantizeInputs();
        using var expected = new Expected(FolderOf("llama-int8"));
        ShouldBeRounded(AdaptedCase.Logits(model, expected), expected.Read("base_logits"), expected.Read("dequantized_logits"));
    }

    // One code that falls to the other side of a middle, for a sum in another order, changes all that follow. Where none does, logits are equal; where one does, they
    // are still nearer than those of inputs that are not rounded.
    internal static void ShouldBeRounded(Tensor actual, Tensor rounded, Tensor exact)
    {
        using var scope = NewDisposeScope();
        var differences = (actual - rounded).abs().amax(-1);
        differences.le(1e-3).sum().item<long>().ShouldBeGreaterThan(0);
        differences.mean().item<float>().ShouldBeLessThan(0.7f * (exact - rounded).abs().amax(-1).mean().item<float>());
    }

    [Theory, MemberData(nameof(Bases))]
    public void Quantizing_the_float_weights_gives_the_same(string id)
    {
        using var scope = NewDisposeScope();
        using var stored = CausalLM.FromPretrained(FolderOf(id));
        using var original = SafetensorsFile.Open(Path.Combine(FolderOf(id), "original.safetensors"));
        foreach (var name in original.Keys)
        {
            var expected = stored.QuantizedWeights()[name[..^".weight".Length]].Matrix;
            var input = original.Read(name);
            using var actual = expected.With(id.StartsWith("gpt2", StringComparison.Ordinal) ? input.t() : input);
            actual.Dequantize().ShouldBeExactly(expected.Dequantize());
        }
    }

    [Theory, MemberData(nameof(Bases))]
    public void A_saved_model_has_the_tensors_that_transformers_wrote(string id)
    {
        using var scope = NewDisposeScope();
        var half = QuantizedOracle.Entry("bases", id).GetProperty("dtype").GetString();
        using var model = CausalLM.FromPretrained(FolderOf(id), new LoadOptions { Dtype = half switch { "bfloat16" => ScalarType.BFloat16, "float16" => ScalarType.Float16, _ => ScalarType.Float32 } });
        using var folder = new TemporaryFolder();
        model.SavePretrained(folder);
        using var mine = SafetensorsFile.Open(folder["model.safetensors"]);
        using var theirs = SafetensorsFile.Open(Path.Combine(FolderOf(id), "model.safetensors"));
        mine.Keys.Order(StringComparer.Ordinal).ShouldBe(theirs.Keys.Order(StringComparer.Ordinal));
        foreach (var key in theirs.Keys) mine.ReadBytes(key).bytes.ToArray().ShouldBe(theirs.ReadBytes(key).bytes.ToArray(), key);
        using var again = CausalLM.FromPretrained(folder);
        using var expected = new Expected(FolderOf(id));
        expected.ShouldEqual(expected.Has("dequantized_logits") ? "dequantized_logits" : "base_logits", AdaptedCase.Logits(again, expected));
    }
}
