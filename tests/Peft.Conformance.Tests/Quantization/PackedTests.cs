using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using Peft.Quantization.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>GPTQ, AWQ and FP8 as they lie on the hub.</summary>
public class PackedTests
{
    private static readonly string[] Kinds = ["gptq", "awq", "fp8"];

    public static TheoryData<string, string> Weights => Rows("weights");

    public static TheoryData<string, string> Bases => Rows("bases");

    // FP8 weights with the values that they were rounded from.
    public static TheoryData<string> Rounded => QuantizedOracle.Ids("fp8", "weights", each => QuantizedOracle.Has("fp8", QuantizedOracle.Id(each), "input"));

    private static TheoryData<string, string> Rows(string part)
    {
        var data = new TheoryData<string, string>();
        foreach (var kind in Kinds)
            foreach (var each in QuantizedOracle.Manifest(kind, part)) data.Add(kind, QuantizedOracle.Id(each));
        return data;
    }

    [Theory, MemberData(nameof(Weights))]
    public void Dequantized_values_are_equal_bit_for_bit(string kind, string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open(kind, id);
        var entry = QuantizedOracle.Entry(kind, id, "weights");
        long[] shape = [.. entry.GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())];
        var config = JsonNode.Parse(entry.GetRawText())!.AsObject();
        config["quant_method"] = kind;
        if (kind == "fp8") config["weight_block_size"] = config["block"]?.DeepClone();
        using var beside = new NestedNames(file, "layer.");
        using var matrix = CheckpointFormat.Of(config, "config.json")!.Read(beside, "layer", shape[0], shape[1], CPU);
        matrix.Dequantize().contiguous().ShouldBeExactly(file.Read("dequantized"));
        matrix.Kind.ShouldBe(kind);
    }

    [Theory, MemberData(nameof(Rounded))]
    public void Rounding_to_FP8_is_that_of_torch(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("fp8", id);
        var entry = QuantizedOracle.Entry("fp8", id, "weights");
        var tile = entry.GetProperty("block").ValueKind == JsonValueKind.Null ? (int?)null : entry.GetProperty("block")[0].GetInt32();
        using var matrix = QuantizationOptions.Fp8(tile).Quantize(file.Read("input"));
        // Scales differ in the last bit, and with them values next to the middle of two.
        var expected = file.Read("dequantized");
        matrix.Dequantize().isclose(expected, 1e-5, 1e-7).to(ScalarType.Float32).mean().item<float>().ShouldBeGreaterThan(0.998f);
        matrix.Dequantize().Difference(file.Read("input")).ShouldBeLessThan(entry.GetProperty("error_max").GetDouble() * 1.0001);
    }

    [Fact]
    public void Values_of_FP8_are_those_of_torch()
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("fp8", "values");
        foreach (var (name, isE5M2) in new[] { ("e4m3fn", false), ("e5m2", true) })
        {
            var (actual, expected) = (Float8.Values(file.Read("bytes"), isE5M2), file.Read(name));
            actual.isnan().ShouldBeExactly(expected.isnan());
            actual.nan_to_num(0, 1e9, -1e9).ShouldBeExactly(expected.nan_to_num(0, 1e9, -1e9));
        }
        // torch makes NaN of what lies above 464, this library 448.
        var input = file.Read("round_in");
        var within = input.abs().le(464).logical_and(input.isfinite()).nonzero().squeeze(1);
        within.numel().ShouldBeGreaterThan(300);
        Float8.Bytes(input.index_select(0, within)).ShouldBeExactly(file.Read("round_e4m3fn").index_select(0, within));
        Float8.Values(Float8.Bytes(tensor(new[] { 1000f, -1000f }))).Values<float>().ShouldBe([448f, -448f]);
    }

    [Theory, MemberData(nameof(Bases))]
    public void Logits_of_a_model(string kind, string id)
    {
        using var scope = NewDisposeScope();
        var folder = Path.Combine(QuantizedOracle.Folder, kind, id);
        using var model = CausalLM.FromPretrained(folder);
        using var expected = new Expected(folder);
        var weights = model.QuantizedWeights();
        weights.Count.ShouldBe(14);
        expected.ShouldEqual("dequantized.", name => weights[name[..^".weight".Length]].Read());
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
        expected.ShouldEqual("base_loss", model.Loss(AdaptedCase.Batch(expected)).reshape(1));
    }

    // AutoGPTQ's files have them for Llama too.
    [Theory]
    [InlineData(0, null)]
    [InlineData(1, "model.layers.0.self_attn.q_proj.bias")]
    public void A_bias_of_zeros_is_none(int value, string? unexpected)
    {
        using var scope = NewDisposeScope();
        var source = Path.Combine(QuantizedOracle.Folder, "gptq", "llama-gptq");
        using var folder = new TemporaryFolder();
        folder.Write("config.json", File.ReadAllText(Path.Combine(source, "config.json")));
        using (var file = SafetensorsFile.Open(Path.Combine(source, "model.safetensors")))
        {
            var tensors = file.Keys.ToDictionary(key => key, key => file.Read(key));
            tensors["model.layers.0.self_attn.q_proj.bias"] = full([tensors["model.layers.0.self_attn.q_proj.scales"].shape[1]], value, ScalarType.Float16);
            SafetensorsWriter.Write(folder["model.safetensors"], tensors);
        }
        if (unexpected is not null)
        {
            Should.Throw<CheckpointMismatchException>(() => CausalLM.FromPretrained(folder)).Unexpected.ShouldBe([unexpected]);
            return;
        }
        using var model = CausalLM.FromPretrained(folder);
        using var expected = new Expected(source);
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
    }

    [Theory]
    [InlineData("{\"+:.*down_proj\": {\"bits\": 8}}", false)]
    [InlineData("{\"model.layers.1.*\": {\"group_size\": 64}}", false)]
    [InlineData("{\"-:.*down_proj\": {}, \".*up_proj\": {\"bits\": 4, \"desc_act\": true}}", true)]
    public void Rules_of_GPTQ_for_some_modules(string rules, bool isRead)
    {
        var config = JsonNode.Parse("{\"quant_method\": \"gptq\", \"bits\": 4, \"group_size\": 32, \"dynamic\": " + rules + "}");
        if (isRead) CheckpointFormat.Of(config, "config.json")!.Name.ShouldBe("gptq");
        else Should.Throw<QuantizationException>(() => CheckpointFormat.Of(config, "config.json")).Message.ShouldContain("for some modules");
    }

    [Fact]
    public void Tiles_of_FP8_in_compressed_tensors()
    {
        using var scope = NewDisposeScope();
        var source = Path.Combine(QuantizedOracle.Folder, "fp8", "llama-fp8");
        using var folder = new TemporaryFolder();
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "config.json")))!;
        config["quantization_config"] = new JsonObject
        {
            ["quant_method"] = "compressed-tensors", ["format"] = "float-quantized",
            ["config_groups"] = new JsonObject { ["group_0"] = new JsonObject { ["weights"] = new JsonObject { ["num_bits"] = 8, ["type"] = "float", ["strategy"] = "block", ["block_structure"] = config["quantization_config"]!["weight_block_size"]!.DeepClone() } } },
        };
        folder.Write("config.json", config.ToJsonString());
        // The same bytes under the other name: a shorter header, filled with spaces.
        var bytes = File.ReadAllBytes(Path.Combine(source, "model.safetensors"));
        var length = (int)BitConverter.ToInt64(bytes);
        var header = System.Text.Encoding.UTF8.GetString(bytes, 8, length).Replace("weight_scale_inv", "weight_scale");
        System.Text.Encoding.UTF8.GetBytes(header.PadRight(length)).CopyTo(bytes, 8);
        folder.Write("model.safetensors", bytes);
        using var model = CausalLM.FromPretrained(folder);
        using var expected = new Expected(source);
        expected.ShouldEqual("base_logits", AdaptedCase.Logits(model, expected));
    }

    // The files of single weights have no path.
    private sealed class NestedNames(SafetensorsFile file, string prefix) : ITensorSource
    {
        public IReadOnlyDictionary<string, TensorEntry> Tensors { get; } = file.Tensors.ToDictionary(pair => prefix + pair.Key, pair => pair.Value);
        public Tensor Read(string name, Device? device = null, ScalarType? dtype = null) => file.Read(name[prefix.Length..], device, dtype);
        public Tensor ReadBytes(string name, Device? device = null) => file.ReadBytes(name[prefix.Length..], device);
        public void CopyInto(string name, Tensor destination) => file.CopyInto(name[prefix.Length..], destination);
        public void Dispose() { }
    }
}
