using System.Text;
using Peft.Checkpoints;
using Peft.Gguf;
using Peft.Models;
using Peft.Quantization;
using Peft.Quantization.Checkpoints;
using Peft.Quantization.Gguf;
using TorchSharp;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>Damaged and hostile files end in named errors.</summary>
public class DamagedFileTests
{
    private static string Source => Path.Combine(QuantizedOracle.Folder, "gguf", "qwen2", "model-q4_0.gguf");

    [Fact]
    public void A_truncated_GGUF_file()
    {
        var content = File.ReadAllBytes(Source);
        using var folder = new TemporaryFolder();
        foreach (var length in Enumerable.Range(0, 60).Select(part => (int)((long)content.Length * part / 60)).Concat([1, 3, 4, 7, 8, 15, 16, 23, 24, content.Length - 1]))
        {
            File.WriteAllBytes(folder["model.gguf"], content[..length]);
            Should.Throw<PeftException>(() => CausalLM.FromPretrained(folder["model.gguf"]).Dispose(), $"{length} bytes");
        }
    }

    [Theory]
    [InlineData("qwen2", "q4_0", "blk.1.ffn_up.weight", 5, 0)]
    [InlineData("llama-k", "q4_k_m", "blk.0.attn_q.weight", 1, 2)]
    [InlineData("llama-k", "q4_k_m", "blk.0.ffn_down.weight", 3, 208)]
    [InlineData("gemma", "q8_0", "blk.0.attn_k.weight", 0, 0)]
    public void Scales_of_GGUF_blocks_that_are_not_finite(string id, string type, string tensor, int block, int offset)
    {
        var source = Path.Combine(QuantizedOracle.Folder, "gguf", id, $"model-{type}.gguf");
        using var folder = new TemporaryFolder();
        foreach (var damage in new[] { Half.NaN, Half.NegativeInfinity })
        {
            var content = File.ReadAllBytes(source);
            using (var file = GgufFile.Open(source)) BitConverter.TryWriteBytes(content.AsSpan((int)(file.Header.Tensors[tensor].Offset + block * file.TypeOf(tensor).BlockBytes + offset)), damage);
            File.WriteAllBytes(folder["model.gguf"], content);
            Should.Throw<QuantizationException>(() => CausalLM.FromPretrained(folder["model.gguf"])).Message.ShouldContain($"'{tensor}' holds scales that are not finite");
        }
    }

    // A part of a tensor may begin anywhere.
    [Fact]
    public void A_scale_across_two_parts()
    {
        foreach (var type in GgufType.All.Where(type => !type.IsFloat))
        {
            var bytes = new byte[type.BlockBytes * 3];
            BitConverter.TryWriteBytes(bytes.AsSpan(type.BlockBytes + type.ScaleOffset + 2 * (type.ScaleCount - 1)), Half.NaN);
            for (var cut = 0; cut <= bytes.Length; cut++)
                (type.HasFiniteScales(bytes.AsSpan(0, cut), 0) && type.HasFiniteScales(bytes.AsSpan(cut), cut)).ShouldBeFalse($"{type} at {cut}");
        }
    }

    [Fact]
    public void Metadata_of_a_GGUF_file_that_is_not_finite()
    {
        var content = File.ReadAllBytes(Source);
        var at = content.AsSpan().IndexOf("qwen2.rope.freq_base"u8) + "qwen2.rope.freq_base".Length + sizeof(uint);
        BitConverter.TryWriteBytes(content.AsSpan(at), float.NaN);
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["model.gguf"], content);
        Should.Throw<CheckpointException>(() => CausalLM.FromPretrained(folder["model.gguf"])).Message.ShouldContain("'qwen2.rope.freq_base' is not a finite number");
    }

    [Fact]
    public void A_GGUF_file_with_changed_bytes()
    {
        var content = File.ReadAllBytes(Source);
        using var folder = new TemporaryFolder();
        var random = new Random(7);
        for (var round = 0; round < 300; round++)
        {
            var changed = content.ToArray();
            for (var i = 0; i < 3; i++) changed[random.Next(round % 2 == 0 ? 2000 : changed.Length / 2)] = (byte)random.Next(256);
            File.WriteAllBytes(folder["model.gguf"], changed);
            try
            {
                GgufHeader.Read(folder["model.gguf"]);
                CausalLM.FromPretrained(folder["model.gguf"]).Dispose();
                Tokenizer.FromPretrained(folder["model.gguf"]);
            }
            catch (PeftException)
            {
                // A named error is right, and so is a file whose damage is in its values.
            }
        }
    }

    [Theory]
    [InlineData("bases/llama-nf4-dq")]
    [InlineData("bases/llama-int8")]
    [InlineData("gptq/llama-gptq")]
    [InlineData("awq/llama-awq")]
    [InlineData("fp8/llama-fp8")]
    public void A_quantized_checkpoint_with_changed_bytes(string id)
    {
        var source = Path.Combine(QuantizedOracle.Folder, id);
        var content = File.ReadAllBytes(Path.Combine(source, "model.safetensors"));
        var header = (int)BitConverter.ToInt64(content) + 8;
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(source, "config.json"), folder["config.json"]);
        var random = new Random(11);
        for (var round = 0; round < 60; round++)
        {
            // The names and shapes, then also the values.
            var changed = content.ToArray();
            for (var i = 0; i < 3; i++) changed[random.Next(round % 2 == 0 ? header : changed.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(folder["model.safetensors"], changed);
            try
            {
                using var scope = NewDisposeScope();
                CausalLM.FromPretrained(folder).Dispose();
            }
            catch (PeftException)
            {
                // A named error is right, and so is a file whose damage is in its values.
            }
        }
    }

    public static TheoryData<string, string> Tensors => new()
    {
        { "weight", "short" }, { "weight.absmax", "short" }, { "weight.quant_map", "nan" }, { "weight.quant_map", "short" }, { "weight.nested_absmax", "nan" },
        { "weight.nested_quant_map", "short" }, { "weight.absmax", "missing" }, { "weight.quant_map", "missing" }, { "weight.nested_absmax", "missing" },
    };

    [Theory, MemberData(nameof(Tensors))]
    public void A_four_bit_weight_whose_tensors_do_not_fit(string part, string damage)
    {
        using var scope = NewDisposeScope();
        using var folder = Damaged("llama-nf4-dq", $"model.layers.0.mlp.down_proj.{part}", damage);
        Should.Throw<PeftException>(() => CausalLM.FromPretrained(folder).Dispose()).Message.ShouldContain("down_proj");
    }

    [Theory]
    [InlineData("""{"quant_type": "nf5"}""")]
    [InlineData("""{"quant_type": "nf4", "blocksize": 0, "dtype": "float32", "shape": [48, 88]}""")]
    [InlineData("""{"quant_type": "nf4", "blocksize": 64, "dtype": "complex64", "shape": [48, 88]}""")]
    [InlineData("""{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [2147483647, 2147483647, 2147483647, 2147483647]}""")]
    [InlineData("""{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [-48, -88]}""")]
    [InlineData("""{"quant_type": "nf4", "blocksize": 64, "dtype": "float32", "shape": [48, 88], "nested_blocksize": 256, "nested_offset": "x"}""")]
    [InlineData("not json")]
    public void A_description_of_a_four_bit_weight_that_is_wrong(string description)
    {
        using var scope = NewDisposeScope();
        using var folder = Damaged("llama-nf4-dq", "model.layers.0.mlp.down_proj.weight.quant_state.bitsandbytes__nf4", "as given", tensor(Encoding.UTF8.GetBytes(description)));
        Should.Throw<PeftException>(() => CausalLM.FromPretrained(folder).Dispose()).Message.ShouldContain("down_proj");
    }

    [Theory]
    [InlineData("SCB", "nan")]
    [InlineData("SCB", "short")]
    [InlineData("SCB", "as given")]
    [InlineData("weight", "short")]
    public void An_int8_weight_whose_tensors_do_not_fit(string part, string damage)
    {
        using var scope = NewDisposeScope();
        using var folder = Damaged("llama-int8", $"model.layers.0.mlp.down_proj.{part}", damage, ones(3));
        Should.Throw<PeftException>(() => CausalLM.FromPretrained(folder).Dispose()).Message.ShouldContain("down_proj");
    }

    [Theory]
    [InlineData("gptq", "qweight", "short")]
    [InlineData("gptq", "scales", "nan")]
    [InlineData("gptq", "g_idx", "large")]
    [InlineData("gptq", "qzeros", "missing")]
    [InlineData("awq", "qweight", "short")]
    [InlineData("awq", "scales", "nan")]
    [InlineData("fp8", "weight_scale_inv", "nan")]
    [InlineData("fp8", "weight_scale_inv", "as given")]
    public void A_packed_weight_whose_tensors_do_not_fit(string kind, string part, string damage)
    {
        using var scope = NewDisposeScope();
        var source = Path.Combine(QuantizedOracle.Folder, kind, $"llama-{kind}");
        using var file = SafetensorsFile.Open(Path.Combine(source, "model.safetensors"));
        const string Path1 = "model.layers.0.mlp.down_proj";
        using var damaged = new Overlay(file, $"{Path1}.{part}", damage == "missing" ? null : Damage(file.Read($"{Path1}.{part}"), damage, ones(7, 7)));
        var format = CheckpointFormat.Of(ModelConfig.FromFolder(source)["quantization_config"], "config.json")!;
        using var model = CausalLM.FromPretrained(source);
        var shape = model.QuantizedWeights()[Path1].Shape;
        Should.Throw<PeftException>(() => format.Read(damaged, Path1, shape[0], shape[1], CPU).Dispose()).Message.ShouldContain("down_proj");
        Should.Throw<PeftException>(() => format.Read(file, Path1, shape[0] * 2, shape[1], CPU).Dispose());
    }

    [Theory]
    [InlineData("""{"quant_method": "aqlm"}""", "aqlm")]
    [InlineData("""{"quant_method": "gptq", "bits": 5}""", "bits")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "group_size": 0}""", "group_size")]
    [InlineData("""{"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"}""", "marlin")]
    [InlineData("""{"quant_method": "awq", "version": "gemv"}""", "gemv")]
    [InlineData("""{"quant_method": "fp8", "weight_block_size": [0, 1]}""", "weight_block_size")]
    [InlineData("""{"quant_method": "compressed-tensors", "format": "marlin-24"}""", "marlin-24")]
    [InlineData("""{}""", "quant_method")]
    public void Unknown_kinds_are_refused_by_name(string config, string named)
        => Should.Throw<QuantizationException>(() => CheckpointFormat.Of(System.Text.Json.Nodes.JsonNode.Parse(config), "config.json")).Message.ShouldContain(named);

    [Theory, InlineData(float.NaN, false), InlineData(float.NaN, true), InlineData(1e5f, true)]
    public void Values_without_a_quantized_form_leave_a_model_unchanged(float value, bool eightBits)
    {
        QuantizationOptions options = eightBits ? QuantizationOptions.LlmInt8() : QuantizationOptions.Nf4();
        using var model = CausalLM.FromPretrained(Path.Combine(QuantizedOracle.Folder, "loftq", "base"));
        using (no_grad()) model.get_parameter("model.layers.1.mlp.down_proj.weight")![0, 0] = tensor(value);
        Should.Throw<QuantizationException>(() => model.Quantize(options)).Message.ShouldContain("layers.1.mlp.down_proj");
        model.QuantizedWeights().ShouldBeEmpty();
        // Also where the weight is not a target of the adapter.
        Should.Throw<QuantizationException>(() => model.ApplyLoftQ(new LoraOptions { Rank = 4, TargetModules = new[] { "q_proj" } }, options)).Message.ShouldContain("layers.1.mlp.down_proj");
        model.QuantizedWeights().ShouldBeEmpty();
        PeftModel.Of(model).ShouldBeNull();
    }

    private static TemporaryFolder Damaged(string id, string key, string damage, Tensor? given = null)
    {
        var folder = new TemporaryFolder();
        var source = QuantizedBaseTests.FolderOf(id);
        File.Copy(Path.Combine(source, "config.json"), folder["config.json"]);
        using var file = SafetensorsFile.Open(Path.Combine(source, "model.safetensors"));
        var tensors = file.Keys.ToDictionary(name => name, name => file.Read(name));
        if (damage == "missing") tensors.Remove(key);
        else tensors[key] = Damage(tensors[key], damage, given);
        SafetensorsWriter.Write(folder["model.safetensors"], tensors);
        return folder;
    }

    private static Tensor Damage(Tensor tensor, string damage, Tensor? given) => damage switch
    {
        "short" => tensor.narrow(0, 0, tensor.shape[0] - 1),
        "nan" => full_like(tensor, float.NaN),
        "large" => full_like(tensor, 1000),
        _ => given!,
    };

    private sealed class Overlay(SafetensorsFile file, string key, Tensor? value) : ITensorSource
    {
        public IReadOnlyDictionary<string, TensorEntry> Tensors { get; } = file.Tensors.Where(pair => pair.Key != key || value is not null).ToDictionary();
        public Tensor Read(string name, Device? device = null, ScalarType? dtype = null) => name == key ? value!.alias() : file.Read(name, device, dtype);
        public Tensor ReadBytes(string name, Device? device = null) => file.ReadBytes(name, device);
        public void CopyInto(string name, Tensor destination) => file.CopyInto(name, destination);
        public void Dispose() { }
    }
}
