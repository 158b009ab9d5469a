using System.Text.Json.Nodes;
using System.Text.Json;
using Peft.Gguf;
using Peft.Models;
using Peft.Quantization;
using Peft.Quantization.Gguf;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>GGUF files that are written, beside those of llama.cpp's converters.</summary>
public sealed class GgufExportTests : IDisposable
{
    // What names the source, what no reader needs, and what the converter left out: llama.cpp has the same defaults.
    private static readonly string[] Free = ["general.name", "general.size_label", "tokenizer.ggml.scores", "tokenizer.ggml.token_type", "tokenizer.ggml.pre", "general.file_type"];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    public static TheoryData<string, string> Sources => GgufTests.Sources;

    public static TheoryData<string, string> Converted => GgufTests.Converted;

    public static TheoryData<string, string> Adapters
    {
        get
        {
            var data = new TheoryData<string, string>();
            foreach (var id in QuantizedOracle.Manifest("gguf").Select(QuantizedOracle.Id))
                foreach (var each in Directory.GetDirectories(Path.Combine(Root, id), "adapter-*").Order(StringComparer.Ordinal))
                    if (Base(id) is not null) data.Add(id, Path.GetFileName(each));
            return data;
        }
    }

    private static string Root => Path.Combine(QuantizedOracle.Folder, "gguf");

    // A folder, or else a GGUF file without blocks.
    private static string? Base(string id)
        => id == "stories260k" ? Stories.Folder : Path.Combine(Root, id, "hf") is var hf && File.Exists(Path.Combine(hf, "model.safetensors")) ? hf : Directory.GetFiles(Path.Combine(Root, id), "*.gguf").FirstOrDefault(file => Path.GetFileName(file).StartsWith("model-", StringComparison.Ordinal));

    [Theory, MemberData(nameof(Sources))]
    public void A_model_is_written_as_the_converter_writes_it(string id, string type)
    {
        if (!Enum.TryParse<GgufWeights>(type.ToUpperInvariant(), out var weights)) weights = GgufWeights.F32;   // compared by metadata alone
        var source = Path.Combine(Root, id, "hf");
        using (var model = CausalLM.FromPretrained(source)) model.SaveGguf(folder["model.gguf"], Tokenizer.FromPretrained(source), weights);
        using var actual = GgufFile.Open(folder["model.gguf"]);
        using var expected = GgufFile.Open(Path.Combine(Root, id, $"model-{type}.gguf"));
        Compare(actual.Header, expected.Header);
        // The converter names the rule after the architecture. This tokenizer splits as Llama 3 does.
        actual.Header.Text("tokenizer.ggml.pre").ShouldBe(id == "qwen2" ? "llama-bpe" : expected.Header.Text("tokenizer.ggml.pre"));
        if (!weights.ToString().Equals(type, StringComparison.OrdinalIgnoreCase)) return;
        actual.Header.Whole("general.file_type").ShouldBe(expected.Header.Whole("general.file_type"));
        foreach (var name in actual.Header.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            actual.TypeOf(name).ShouldBe(expected.TypeOf(name), name);
            actual.ReadBytes(name, CPU).ShouldBeExactly(expected.ReadBytes(name, CPU));
        }
        // GPT-2's converter writes the head although it is tied.
        expected.Header.Tensors.Keys.Except(actual.Header.Tensors.Keys).ShouldBe(id == "gpt2" ? ["output.weight"] : []);
    }

    [Fact]
    public void The_bundled_model_is_written_as_the_converter_writes_it()
    {
        using (var model = CausalLM.FromPretrained(Stories.Folder)) model.SaveGguf(folder["model.gguf"], Tokenizer.FromPretrained(Stories.Folder), GgufWeights.F16, "stories260K");
        using var actual = GgufFile.Open(folder["model.gguf"]);
        using var expected = GgufFile.Open(Path.Combine(Root, "stories260k", "model-f16.gguf"));
        Compare(actual.Header, expected.Header);
        foreach (var name in expected.Header.Tensors.Keys)
        {
            using var scope = NewDisposeScope();
            actual.ReadBytes(name, CPU).ShouldBeExactly(expected.ReadBytes(name, CPU));
        }
        // The converter numbers the tokens of a tokenizer.json, whose order is that of the merges.
        var (scores, theirs) = (actual.Header.Numbers("tokenizer.ggml.scores")!, expected.Header.Numbers("tokenizer.ggml.scores")!);
        var merged = Enumerable.Range(0, scores.Length).Where(id => actual.Header.Wholes("tokenizer.ggml.token_type")![id] == 1).ToArray();
        merged.OrderByDescending(id => scores[id]).ShouldBe(merged.OrderByDescending(id => theirs[id]));
    }

    private static void Compare(GgufHeader actual, GgufHeader expected)
    {
        foreach (var (key, value) in expected.Metadata.Where(each => !Free.Contains(each.Key)))
            JsonSerializer.Serialize(actual.Metadata.GetValueOrDefault(key)).ShouldBe(JsonSerializer.Serialize(value), key);
        foreach (var (name, tensor) in actual.Tensors) tensor.Shape.ShouldBe(expected.Tensors[name].Shape, name);
    }

    [Theory, MemberData(nameof(Converted))]
    public void Architectures_are_written_as_they_are_read(string id, string source)
    {
        using var scope = NewDisposeScope();
        using var gradients = no_grad();
        using var model = CausalLM.FromPretrained(source);
        model.SaveGguf(folder["model.gguf"], tokenizer: null, GgufWeights.F32);
        using var expected = GgufFile.Open(Path.Combine(QuantizedOracle.Folder, "gguf-bases", id + ".gguf"));
        using var actual = GgufFile.Open(folder["model.gguf"]);
        foreach (var name in expected.Header.Tensors.Keys)
        {
            using var each = NewDisposeScope();
            var (mine, theirs) = (actual.Read(name, CPU), expected.Read(name, CPU));
            mine.Difference(theirs).ShouldBeLessThan(1e-5 * Math.Max(1, theirs.Largest()), name);
        }
        using var again = CausalLM.FromPretrained(folder["model.gguf"]);
        foreach (var length in new[] { 3, 24, 47 })
        {
            var ids = tensor(Enumerable.Range(0, length).Select(i => (long)(i * 7 % (model.Spec.VocabularySize - 4)) + 3).ToArray()).unsqueeze(0);
            again.call(ids).RelativeDifference(model.call(ids)).ShouldBeLessThan(1e-5, $"{length} tokens");
        }
    }

    [Theory, MemberData(nameof(Adapters))]
    public void An_adapter_is_written_as_llama_cpp_computes_it(string id, string adapter)
    {
        using var model = CausalLM.FromPretrained(Base(id)!);
        using var peft = model.ApplyAdapter(Path.Combine(Root, id, adapter));
        peft.SaveGguf(folder["adapter.gguf"]);
        using var actual = GgufFile.Open(folder["adapter.gguf"]);
        var right = Path.Combine(Root, id, adapter + "-right.gguf");
        using var expected = GgufFile.Open(File.Exists(right) ? right : Path.Combine(Root, id, adapter + ".gguf"));
        actual.Header.Tensors.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.Header.Tensors.Keys.Order(StringComparer.Ordinal));
        foreach (var key in new[] { "general.architecture", "general.type", "adapter.type" }) actual.Header.Text(key).ShouldBe(expected.Header.Text(key));
        foreach (var name in actual.Header.Tensors.Keys.Where(name => name.EndsWith(".lora_a", StringComparison.Ordinal)))
        {
            using var scope = NewDisposeScope();
            var (mine, theirs) = (Product(actual, name), Product(expected, name));
            mine.Difference(theirs).ShouldBeLessThan(1e-6 * Math.Max(1e-3, theirs.Largest()), name);
            if (!File.Exists(right)) actual.Read(name, CPU).ShouldBeExactly(expected.Read(name, CPU));
        }

        static Tensor Product(GgufFile file, string name)
        {
            var (a, b) = (file.Read(name, CPU).to(ScalarType.Float64), file.Read(name[..^1] + "b", CPU).to(ScalarType.Float64));
            if (name.StartsWith("token_embd", StringComparison.Ordinal)) a = a.t();
            var alpha = file.Header.Number("adapter.lora.alpha") ?? 0;
            return b.mm(a).mul(alpha == 0 ? 1 : alpha / b.shape[1]);
        }
    }

    [Theory]
    [InlineData("Q8_0")]
    [InlineData("Q5_0")]
    public void Blocks_have_the_bytes_of_ggml(string type)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("blocks", type);
        GgufQuantizer.Quantize(file.Read("input").contiguous(), GgufType.All.Single(each => each.Name == type)).ShouldBe(file.Read("bytes").contiguous().data<byte>().ToArray());
    }

    [Theory]
    [InlineData("Q4_K")]
    [InlineData("Q6_K")]
    public void The_errors_of_K_quants_are_those_of_ggml_or_smaller(string type)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("blocks", type);
        var kind = GgufType.All.Single(each => each.Name == type);
        var input = file.Read("input").contiguous();
        var columns = input.shape[^1];
        using var matrix = new GgufMatrix(tensor(GgufQuantizer.Quantize(input, kind)).view(-1, columns / kind.BlockSize * kind.BlockBytes), columns, kind);
        var ratios = Errors(matrix.Dequantize()).Zip(Errors(file.Read("dequantized")), (mine, theirs) => mine == theirs ? 1 : mine / theirs).ToArray();
        ratios.Average().ShouldBeLessThanOrEqualTo(1);
        ratios.ShouldAllBe(ratio => ratio < 1.05);

        float[] Errors(Tensor values) => values.view(-1, kind.BlockSize).sub(input.view(-1, kind.BlockSize)).square().mean([1]).data<float>().ToArray();
    }

    [Theory]
    [InlineData("null", "gpt-2")]
    [InlineData("{\"type\": \"NFC\"}", "olmo")]
    [InlineData("{\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"NFC\"}]}", "olmo")]
    [InlineData("{\"type\": \"Lowercase\"}", null)]
    public void Normalizers_are_kept_or_refused(string normalizer, string? name)
    {
        var source = Path.Combine(QuantizedOracle.Folder, "gguf", "gpt2", "hf");
        using var folder = new TemporaryFolder();
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "tokenizer.json")))!;
        json["normalizer"] = JsonNode.Parse(normalizer);
        folder.Write("tokenizer.json", json.ToJsonString());
        var tokenizer = Tokenizer.FromPretrained(folder);
        using var model = CausalLM.FromPretrained(source);
        if (name is null)
        {
            Should.Throw<TokenizerException>(() => model.SaveGguf(folder["model.gguf"], tokenizer, GgufWeights.F32)).Message.ShouldContain("normalizer");
            return;
        }
        model.SaveGguf(folder["model.gguf"], tokenizer, GgufWeights.F32);
        using (var file = GgufFile.Open(folder["model.gguf"])) file.Header.Text("tokenizer.ggml.pre").ShouldBe(name);
        const string decomposed = "caf\u0065\u0301 12";
        Tokenizer.FromPretrained(folder["model.gguf"]).Encode(decomposed).ShouldBe(tokenizer.Encode(decomposed));
    }

    [Fact]
    public void Single_digits_are_those_of_SmolLM()
    {
        var source = Path.Combine(QuantizedOracle.Folder, "gguf", "gpt2", "hf");
        using var folder = new TemporaryFolder();
        var json = JsonNode.Parse(File.ReadAllText(Path.Combine(source, "tokenizer.json")))!;
        json["pre_tokenizer"] = JsonNode.Parse("""
            {"type": "Sequence", "pretokenizers": [{"type": "Digits", "individual_digits": true}, {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true}]}
            """);
        folder.Write("tokenizer.json", json.ToJsonString());
        var tokenizer = Tokenizer.FromPretrained(folder);
        using (var model = CausalLM.FromPretrained(source)) model.SaveGguf(folder["model.gguf"], tokenizer, GgufWeights.F32);
        using (var file = GgufFile.Open(folder["model.gguf"])) file.Header.Text("tokenizer.ggml.pre").ShouldBe("smollm");
        var read = Tokenizer.FromPretrained(folder["model.gguf"]);
        foreach (var text in new[] { "1234567 12 3", "It's 10 o'clock,  3x faster.\n\n", "a1b22" }) read.Encode(text).ShouldBe(tokenizer.Encode(text), text);
    }
}
