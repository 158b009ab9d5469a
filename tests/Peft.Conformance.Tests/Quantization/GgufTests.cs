using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using Peft.Quantization;
using Peft.Quantization.Gguf;
using static TorchSharp.torch;

namespace Peft.Conformance.Tests.Quantization;

/// <summary>GGUF: blocks, tensors, tokens and log-probabilities as llama.cpp has them.</summary>
public class GgufTests
{
    public static TheoryData<string> Blocks => QuantizedOracle.Ids("blocks", choose: each => GgufType.All.Any(type => type.Name == QuantizedOracle.Id(each)));

    public static TheoryData<string> OtherBlocks => QuantizedOracle.Ids("blocks", choose: each => GgufType.All.All(type => type.Name != QuantizedOracle.Id(each)));

    public static TheoryData<string, string> Files => Rows((_, _) => true);

    public static TheoryData<string, string> Exact => Rows((_, type) => type is "f32" or "f16");

    public static TheoryData<string, string> Quantized => Rows((_, type) => type.StartsWith('q'));

    public static TheoryData<string, string> Sources => Rows((id, _) => File.Exists(Path.Combine(Folder(id), "hf", "model.safetensors")));

    public static TheoryData<string, string> Converted => new()
    {
        { "gemma2", Oracle.Base("gemma2") }, { "gemma3", Path.Combine(QuantizedOracle.Folder, "gguf-bases", "gemma3") }, { "gpt-neox", Oracle.Base("gpt-neox") }, { "llama3", Oracle.Base("llama3") },
        { "phi3", Oracle.Base("phi3") }, { "phi3-longrope", Oracle.Base("phi3-c") }, { "qwen3", Oracle.Base("qwen3") },
    };

    private static TheoryData<string, string> Rows(Func<string, string, bool> choose)
    {
        var data = new TheoryData<string, string>();
        foreach (var each in QuantizedOracle.Manifest("gguf"))
            foreach (var type in each.GetProperty("files").EnumerateArray().Select(file => file.GetString()!))
                if (choose(QuantizedOracle.Id(each), type)) data.Add(QuantizedOracle.Id(each), type);
        return data;
    }

    private static string Folder(string id) => Path.Combine(QuantizedOracle.Folder, "gguf", id);

    private static string FileOf(string id, string type) => Path.Combine(Folder(id), $"model-{type}.gguf");

    private static JsonElement Expected(string id) => JsonDocument.Parse(File.ReadAllText(Path.Combine(Folder(id), "expected.json"))).RootElement;

    [Theory, MemberData(nameof(Blocks))]
    public void Dequantized_blocks_are_equal_bit_for_bit(string id)
    {
        using var scope = NewDisposeScope();
        using var file = QuantizedOracle.Open("blocks", id);
        var expected = file.Read("dequantized");
        var bytes = file.Read("bytes");
        using var matrix = new GgufMatrix(bytes.reshape(bytes.shape[0], -1), expected.shape[^1], GgufType.All.Single(type => type.Name == id));
        matrix.Dequantize().ShouldBeExactly(expected.view(matrix.Rows, matrix.Columns));
    }

    [Theory, MemberData(nameof(OtherBlocks))]
    public void Other_types_are_refused_by_name(string id)
    {
        var number = QuantizedOracle.Entry("blocks", id).GetProperty("type").GetUInt32();
        Should.Throw<QuantizationException>(() => GgufType.Of(number, "blk.0.attn_q.weight")).Message.ShouldContain(id);
    }

    [Theory, MemberData(nameof(Files))]
    public void Tensors_and_metadata_of_a_file(string id, string type)
    {
        using var file = GgufFile.Open(FileOf(id, type));
        var expected = Expected(id).GetProperty("files").GetProperty(type);
        file.Header.Tensors.Count.ShouldBe(expected.GetProperty("tensors").GetArrayLength());
        foreach (var tensor in expected.GetProperty("tensors").EnumerateArray())
        {
            var name = tensor.GetProperty("name").GetString()!;
            file.Header.Tensors[name].Shape.Reverse().ShouldBe(tensor.GetProperty("ne").EnumerateArray().Select(size => size.GetInt64()));
            file.TypeOf(name).Name.ShouldBe(tensor.GetProperty("type").GetString());
        }
        file.Header.Metadata.Keys.Order(StringComparer.Ordinal).ShouldBe(expected.GetProperty("metadata").EnumerateObject().Select(each => each.Name).Order(StringComparer.Ordinal));
    }

    // The folder that the file was made of has float16 weights, which the converter widens or, for quantized files, rounds to blocks.
    [Theory, MemberData(nameof(Sources))]
    public void Weights_are_those_of_the_folder_that_the_file_was_made_of(string id, string type)
    {
        using var scope = NewDisposeScope();
        using var model = CausalLM.FromPretrained(FileOf(id, type));
        using var source = CausalLM.FromPretrained(Path.Combine(Folder(id), "hf"));
        var weights = model.QuantizedWeights();
        (weights.Count > 0).ShouldBe(type.StartsWith('q'));
        foreach (var (name, expected) in source.named_parameters())
        {
            var actual = weights.TryGetValue(name[..name.LastIndexOf('.')], out var stored) && name.EndsWith(".weight", StringComparison.Ordinal) ? stored.Read() : model.get_parameter(name)!;
            actual.Difference(expected).ShouldBeLessThan((type switch { "f32" => 1e-6, "f16" => 1e-3, "q8_0" => 0.01, _ => 0.15 }) * Math.Max(1, expected.Largest()), name);
        }
    }

    // The token embedding and the head too: a lookup dequantizes the rows that it needs.
    [Theory, MemberData(nameof(Quantized))]
    public void A_quantized_model_takes_the_bytes_of_its_file(string id, string type)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var file = GgufFile.Open(FileOf(id, type));
        using var model = CausalLM.FromPretrained(FileOf(id, type));
        var isTied = ReferenceEquals(model.Head.Storage, model.InputEmbeddings.Storage);
        long inFile = 0;
        foreach (var (name, tensor) in file.Header.Tensors.Where(pair => pair.Key != "output.weight" || !isTied))
        {
            var (kind, count) = (file.TypeOf(name), tensor.Shape.Aggregate(1L, (a, b) => a * b));
            inFile += kind.IsFloat ? count * sizeof(float) : count / kind.BlockSize * kind.BlockBytes;
        }
        (model.named_parameters().Where(pair => !model.TiedParameters.Contains(pair.name)).Sum(pair => pair.parameter.numel() * sizeof(float)) + model.QuantizedWeights().Values.Sum(weight => weight.Bytes)).ShouldBe(inFile);
        if (file.TypeOf("token_embd.weight").IsFloat) return;
        model.InputEmbeddings.Storage.ShouldBeOfType<QuantizedStorage>().Matrix.Kind.ShouldBe(file.TypeOf("token_embd.weight").Name);

        var ids = tensor(Enumerable.Range(0, 30).Select(i => (long)(i * 7 % (model.Spec.VocabularySize - 4)) + 3).ToArray(), [2, 15]);
        var (rows, logits) = (model.InputEmbeddings.call(ids), model.call(ids));
        model.Dequantize();
        rows.ShouldBeExactly(model.InputEmbeddings.call(ids));
        logits.RelativeDifference(model.call(ids)).ShouldBeLessThan(2e-5);
    }

    [Theory, MemberData(nameof(Exact))]
    public void Log_probabilities_of_the_base_and_of_adapters(string id, string type)
    {
        var tolerance = type == "f16" ? 0.03 : id is "gpt2" or "gemma" ? 5e-3 : 1e-3;
        using var expected = SafetensorsFile.Open(Path.Combine(Folder(id), "logprobs.safetensors"));
        using var model = CausalLM.FromPretrained(FileOf(id, type));
        Compare(model, expected, id, $"base-{type}", tolerance);
        if (type != "f32") return;
        foreach (var adapter in Expected(id).GetProperty("adapters").EnumerateObject())
        {
            var run = expected.Keys.Any(key => key.StartsWith($"right-{adapter.Name}.", StringComparison.Ordinal)) ? $"right-{adapter.Name}" : $"lora-{adapter.Name}";
            using var peft = model.ApplyAdapter(Path.Combine(Folder(id), $"adapter-{adapter.Name}"));
            Compare(model, expected, id, run, tolerance);
        }
    }

    // Of this model the oracle holds a file in float16 only; llama.cpp ran on one in float32, which has the values of the bundled folder.
    [Theory]
    [InlineData("base-f32", null, 1)]
    [InlineData("lora-all", "all", 1)]
    [InlineData("lora-all-scaled-0.5", "all", 0.5)]
    [InlineData("right-patterns", "patterns", 1)]
    [InlineData("right-rslora", "rslora", 1)]
    public void Log_probabilities_of_the_bundled_model(string run, string? adapter, double scale)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(Folder("stories260k"), "logprobs.safetensors"));
        using var model = CausalLM.FromPretrained(Stories.Folder);
        using var scaled = new TemporaryFolder();
        using var peft = adapter is null ? null : model.ApplyAdapter(Scaled(Path.Combine(Folder("stories260k"), $"adapter-{adapter}"), scale, scaled));
        Compare(model, expected, "stories260k", run, 1e-3);
    }

    private static string Scaled(string adapter, double scale, TemporaryFolder folder)
    {
        var config = JsonNode.Parse(File.ReadAllText(Path.Combine(adapter, "adapter_config.json")))!;
        config["lora_alpha"] = config["lora_alpha"]!.GetValue<double>() * scale;
        folder.Write("adapter_config.json", config.ToJsonString());
        folder.Write("adapter_model.safetensors", File.ReadAllBytes(Path.Combine(adapter, "adapter_model.safetensors")));
        return folder;
    }

    [Theory, MemberData(nameof(Quantized))]
    public void Log_probabilities_of_quantized_files_are_near(string id, string type)
    {
        using var expected = SafetensorsFile.Open(Path.Combine(Folder(id), "logprobs.safetensors"));
        using var model = CausalLM.FromPretrained(FileOf(id, type));
        // llama.cpp rounds the inputs as well.
        Compare(model, expected, id, $"base-{type}", 1.2);
    }

    // llama-tokenize on this file.
    [Fact]
    public void Text_after_a_special_token_begins_with_a_space()
    {
        var tokenizer = Tokenizer.FromPretrained(FileOf("stories260k", "f16"));
        tokenizer.Encode("a</s> b</s>hello").ShouldBe([1, 261, 2, 410, 268, 2, 281, 306, 414]);
    }

    [Theory, MemberData(nameof(Files))]
    public void Token_ids_are_those_of_llama_cpp(string id, string type)
    {
        var tokenizer = Tokenizer.FromPretrained(FileOf(id, type));
        foreach (var text in Expected(id).GetProperty("texts").EnumerateArray())
        {
            var ids = text.GetProperty("llama_cpp");
            if (ids.ValueKind == JsonValueKind.Null) continue;   // its server refuses an empty text
            tokenizer.Encode(text.GetProperty("text").GetString()!).ShouldBe(ids.EnumerateArray().Select(each => each.GetInt32()), text.GetProperty("text").GetString());
        }
        using var folder = new TemporaryFolder();
        tokenizer.Save(folder);
        Tokenizer.FromPretrained(folder).Encode("Lily and Tom went to the park.").ShouldBe(tokenizer.Encode("Lily and Tom went to the park."));
    }

    // Texts of all lengths up to the longest: LongRoPE, windows and Llama 3's frequencies differ by position.
    [Theory, MemberData(nameof(Converted))]
    public void Logits_are_those_of_the_folder_that_was_converted(string id, string folder)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        using var model = CausalLM.FromPretrained(Path.Combine(QuantizedOracle.Folder, "gguf-bases", id + ".gguf"));
        using var source = CausalLM.FromPretrained(folder);
        model.ModelType.ShouldBe(source.ModelType);
        foreach (var length in new[] { 3, 20, 24, 25, 40, 47 })
        {
            var ids = tensor(Enumerable.Range(0, length).Select(i => (long)(i * 7 % (source.Spec.VocabularySize - 4)) + 3).ToArray()).unsqueeze(0);
            var expected = source.call(ids);
            model.call(ids).RelativeDifference(expected).ShouldBeLessThan(1e-5, $"{length} tokens");
        }
        foreach (var (name, parameter) in source.named_parameters()) model.get_parameter(name)!.Difference(parameter).ShouldBeLessThan(1e-6, name);
        // Saved, the model is the same again.
        using var saved = new TemporaryFolder();
        model.SavePretrained(saved);
        using var again = CausalLM.FromPretrained(saved);
        using var text = tensor(Enumerable.Range(3, 40).Select(i => (long)i).ToArray()).unsqueeze(0);
        again.call(text).RelativeDifference(model.call(text)).ShouldBeLessThan(1e-6);
    }

    [Fact]
    public void All_numbers_of_float16_are_read()
    {
        using var scope = NewDisposeScope();
        // A block of Q8_0 is a float16 and 32 numbers, here 1.
        var blocks = Enumerable.Range(0, 1 << 16).SelectMany(bits => (byte[])[(byte)bits, (byte)(bits >> 8), .. Enumerable.Repeat((byte)1, 32)]).ToArray();
        using var matrix = new GgufMatrix(tensor(blocks).view(1 << 16, 34), 32, GgufType.All.Single(type => type.Name == "Q8_0"));
        var actual = matrix.Dequantize().select(1, 7).Values<float>();
        actual.ShouldBe(Enumerable.Range(0, 1 << 16).Select(bits => (float)BitConverter.UInt16BitsToHalf((ushort)bits)));
    }

    private static void Compare(CausalLM model, SafetensorsFile expected, string id, string run, double tolerance)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var prompts = Expected(id).GetProperty("prompts");
        var compared = 0;
        for (var prompt = 0; expected.Tensors.ContainsKey($"{run}.{prompt}.tokens"); prompt++)
        {
            long[] start = [.. prompts[prompt].EnumerateArray().Select(each => each.GetInt64())];
            var tokens = expected.Read($"{run}.{prompt}.tokens").to(ScalarType.Int64).data<long>().ToArray();
            var wanted = expected.Read($"{run}.{prompt}.logprobs");
            var logits = model.forward(new ModelInput { InputIds = tensor((long[])[.. start, .. tokens]).unsqueeze(0) });
            var actual = logits[0].narrow(0, start.Length - 1, tokens.Length).log_softmax(-1);
            if (wanted.dim() == 1) actual = actual.gather(1, tensor(tokens).unsqueeze(1)).squeeze(1);
            actual.Difference(wanted).ShouldBeLessThan(tolerance, $"{run}.{prompt}");
            compared++;
        }
        compared.ShouldBeGreaterThan(0, run);
    }
}
