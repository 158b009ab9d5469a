using Microsoft.ML.OnnxRuntimeGenAI;
using Peft.Models;
using LoadedAdapters = Microsoft.ML.OnnxRuntimeGenAI.Adapters;
using Model = Microsoft.ML.OnnxRuntimeGenAI.Model;

namespace Peft.Export.Tests;

/// <summary>Folders for ONNX Runtime GenAI, which generates with them.</summary>
public sealed class OnnxGenAITests : IDisposable
{
    private static readonly string Stories = Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K");
    private static readonly int[] Prompt = [1, 403, 407, 261, 378];
    private const int Length = 40;

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void It_generates_the_same_tokens_with_every_adapter()
    {
        using var model = CausalLM.FromPretrained(Stories);
        using var peft = model.ApplyLora(rank: 4, alpha: 8);
        peft.Add("other", new LoraOptions { Rank = 2, Alpha = 8, TargetModules = ModuleSelector.AllLinear });
        foreach (var name in peft.Adapters.Keys)
        {
            peft.Activate(name);
            peft.Shake(0.2, seed: 5);
        }
        peft.SaveOnnxGenAI(folder["genai"], Tokenizer.FromPretrained(Stories));
        Directory.GetFiles(folder["genai"]).Select(Path.GetFileName).Order().ShouldBe(["default.onnx_adapter", "genai_config.json", "model.onnx", "other.onnx_adapter", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"]);
        using var runtime = new Model(folder["genai"]);
        using var adapters = new LoadedAdapters(runtime);
        foreach (var name in peft.Adapters.Keys) adapters.LoadAdapter(Path.Combine(folder["genai"], name + ".onnx_adapter"), name);
        var texts = new List<int[]>();
        foreach (var name in peft.Adapters.Keys)
        {
            peft.Activate(name);
            texts.Add(Generated(runtime, adapters, name));
            texts[^1].ShouldBe(Expected(model), name);
        }
        using (peft.WithoutAdapters())
        {
            texts.Add(Generated(runtime, null, null));
            texts[^1].ShouldBe(Expected(model), "the base model");
        }
        texts.DistinctBy(text => string.Join(' ', text)).Count().ShouldBe(3, "the adapters must show");
    }

    [Theory]
    [InlineData("gpt_neox", """{"rotary_pct": 0.25}""", TorchSharp.torch.ScalarType.Float32)]
    [InlineData("gpt2", """{"n_embd": 64, "n_head": 4, "n_layer": 2, "n_positions": 128}""", TorchSharp.torch.ScalarType.Float32)]
    [InlineData("phi3", """{"pad_token_id": 0}""", TorchSharp.torch.ScalarType.Float32)]
    [InlineData("gemma3_text", """{"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 4}""", TorchSharp.torch.ScalarType.Float32)]
    [InlineData("llama", "{}", TorchSharp.torch.ScalarType.Float16)]
    public void It_generates_with_every_kind_of_model(string type, string fields, TorchSharp.torch.ScalarType dtype)
    {
        using var model = CausalLM.FromConfig(OnnxTests.Config(type, fields).With("vocab_size", 512).With("eos_token_id", 2).With("bos_token_id", 1), seed: 3);
        model.SaveOnnxGenAI(folder["genai"], tokenizer: null, new() { Dtype = dtype });
        using var runtime = new Model(folder["genai"]);
        Generated(runtime, null, null).ShouldBe(Expected(model));
    }

    [Fact]
    public void Its_tokenizer_gives_the_same_tokens()
    {
        using var model = CausalLM.FromPretrained(Stories);
        var tokenizer = Peft.Tokenizer.FromPretrained(Stories);
        model.SaveOnnxGenAI(folder["genai"], tokenizer);
        using var runtime = new Model(folder["genai"]);
        using var other = new Microsoft.ML.OnnxRuntimeGenAI.Tokenizer(runtime);
        foreach (var text in new[] { "Once upon a time", "Lily and Tom went to the park." })
        {
            using var sequences = other.Encode(text);
            sequences[0].ToArray().ShouldBe(tokenizer.Encode(text, addSpecialTokens: false), text);
            other.Decode(sequences[0]).Trim().ShouldBe(text);
        }
    }

    [Fact]
    public void What_it_does_not_run_is_refused()
    {
        using var endless = CausalLM.FromConfig(OnnxTests.Config("llama", "{}"));
        Should.Throw<ExportException>(() => endless.SaveOnnxGenAI(folder["genai"], null)).Message.ShouldContain("no eos_token_id");
        using var classifier = SequenceClassifier.FromPretrained(Stories, new LoadOptions { LabelCount = 2 });
        using var peft = classifier.ApplyLora();
        Should.Throw<ExportException>(() => peft.SaveOnnxGenAI(folder["genai"], null)).Message.ShouldContain("export a CausalLM");
        using var translator = Seq2SeqLM.FromConfig(OnnxT5Tests.Config("{}"));
        using var adapted = translator.ApplyLora();
        Should.Throw<ExportException>(() => adapted.SaveOnnxGenAI(folder["genai"], null)).Message.ShouldContain("A Seq2SeqLM cannot be exported");
        folder.FileNames.ShouldBeEmpty();
    }

    private static int[] Expected(CausalLM model) => [.. Prompt, .. model.Generate(Prompt, new() { MaxNewTokens = Length - Prompt.Length, DoSample = false })];

    private static int[] Generated(Model runtime, LoadedAdapters? adapters, string? name)
    {
        using var parameters = new GeneratorParams(runtime);
        parameters.SetSearchOption("max_length", Length);
        using var generator = new Generator(runtime, parameters);
        if (adapters is not null) generator.SetActiveAdapter(adapters, name!);
        generator.AppendTokens(Prompt);
        while (!generator.IsDone()) generator.GenerateNextToken();
        return generator.GetSequence(0).ToArray();
    }
}
