using Peft.Models;

namespace Peft.Export.Tests;

public sealed class CheckTests : IDisposable
{
    private readonly CausalLM model = CausalLM.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K"));

    public void Dispose() => model.Dispose();

    private static readonly ExportTarget[] All = Enum.GetValues<ExportTarget>();

    public static TheoryData<string, string> Cases => new()
    {
        { "LoRA", "" },
        { "rank 32", "Vllm" },
        { "PiSSA of rank 9", "Vllm" },
        { "DoRA", "Vllm GgufAdapter OnnxAdapter Lora OnnxGenAI" },
        { "pattern", "Vllm" },
        { "whole norm", "Vllm GgufAdapter" },
        { "biases", "Vllm GgufAdapter Gguf OnnxAdapter Onnx Merged Lora OnnxGenAI" },
        { "VeRA", "Vllm Lora" },
        { "prefix", "Vllm GgufAdapter Gguf OnnxAdapter Onnx Merged Lora OnnxGenAI" },
        { "gated prefix", "HuggingFace Vllm GgufAdapter Gguf OnnxAdapter Onnx Merged Lora OnnxGenAI" },
        { "bottleneck", "HuggingFace Vllm GgufAdapter Gguf OnnxAdapter Onnx Merged Lora OnnxGenAI" },
        { "OFT", "Vllm GgufAdapter OnnxAdapter Lora OnnxGenAI" },
        { "KaSA of rank 9", "Vllm" },
        { "replicated layers", "Vllm GgufAdapter Gguf OnnxAdapter Onnx Merged Lora OnnxGenAI" },
    };

    private static AdapterOptions Options(string name) => name switch
    {
        "LoRA" => new LoraOptions(),
        "rank 32" => new LoraOptions { Rank = 32 },
        "PiSSA of rank 9" => new LoraOptions { Rank = 9, Initialization = LoraInitialization.Pissa },
        "KaSA of rank 9" => new LoraOptions { Rank = 9, Kasa = new() },
        "replicated layers" => new LoraOptions { LayerReplication = [new(0, 5), new(4, 5)] },
        "DoRA" => new LoraOptions { UseDora = true },
        "pattern" => new LoraOptions { RankPattern = new Dictionary<string, int> { ["q_proj"] = 4 } },
        "whole norm" => new LoraOptions { ModulesToSave = ["norm"] },
        "biases" => new LoraOptions { UseLoraBias = true },
        "VeRA" => new VeraOptions { Rank = 16 },
        "prefix" => new PrefixTuningOptions { VirtualTokens = 3 },
        "gated prefix" => new PrefixTuningOptions { VirtualTokens = 3, UseGating = true },
        "bottleneck" => new BottleneckOptions(),
        _ => new OftOptions { BlockSize = 8 },
    };

    [Theory, MemberData(nameof(Cases))]
    public void The_check_tells_what_a_target_cannot_take(string name, string refused)
    {
        using var peft = model.ApplyAdapter(Options(name));
        string.Join(' ', All.Where(target => peft.CheckExport(target).Count > 0)).ShouldBe(refused);
        foreach (var target in new[] { ExportTarget.Vllm, ExportTarget.Lora }) peft.CheckExport(target).ShouldAllBe(problem => problem.EndsWith('.'));
    }

    [Theory, MemberData(nameof(Cases))]
    public void What_the_check_allows_is_written_and_the_rest_is_refused(string name, string refused)
    {
        using var folder = new TemporaryFolder();
        using var peft = model.ApplyAdapter(Options(name));
        Expect(ExportTarget.GgufAdapter, () => peft.SaveGguf(folder["a.gguf"]));
        Expect(ExportTarget.OnnxAdapter, () => peft.SaveOnnx(folder["m.onnx"]));
        Expect(ExportTarget.OnnxAdapter, () => peft.SaveOnnxAdapter(folder["a.onnx_adapter"]));
        var merges = !refused.Split(' ').Contains("Gguf");
        if (!merges)
        {
            Should.Throw<NotMergeableException>(() => peft.MergeAndUnload());
            return;
        }
        peft.MergeAndUnload();
        model.SaveGguf(folder["m.gguf"], tokenizer: null);
        model.SaveOnnx(folder["m.onnx"]);

        void Expect(ExportTarget target, Action save)
        {
            if (refused.Split(' ').Contains(target.ToString())) Should.Throw<ExportException>(save);
            else save();
        }
    }

    [Fact]
    public void Resized_embeddings_are_not_for_vllm()
    {
        model.ResizeTokenEmbeddings(520);
        using var peft = model.ApplyLora();
        peft.CheckExport(ExportTarget.Vllm).Single().ShouldContain("embeddings were resized");
        peft.CheckExport(ExportTarget.HuggingFace).ShouldBeEmpty();
    }

    [Fact]
    public void The_limit_of_the_rank_is_that_of_the_server()
    {
        using var peft = model.ApplyLora(rank: 32);
        peft.CheckExport(ExportTarget.Vllm).Single().ShouldContain("start it with --max-lora-rank 32");
        peft.CheckExport(ExportTarget.Vllm, options: new() { MaxRank = 32 }).ShouldBeEmpty();
    }

    [Fact]
    public void A_model_without_an_adapter_is_checked_too()
    {
        foreach (var target in new[] { ExportTarget.Merged, ExportTarget.Gguf, ExportTarget.Onnx, ExportTarget.OnnxGenAI }) model.CheckExport(target).ShouldBeEmpty();
        Should.Throw<ArgumentException>(() => model.CheckExport(ExportTarget.Vllm)).Message.ShouldContain("apply an adapter");
        using var classifier = SequenceClassifier.FromPretrained(Path.Combine(AppContext.BaseDirectory, "Data", "models", "stories260K"), new LoadOptions { LabelCount = 2 });
        classifier.CheckExport(ExportTarget.OnnxGenAI).ShouldBe(["a SequenceClassifier is not a decoder, which ONNX Runtime GenAI needs: export a CausalLM."]);
        classifier.CheckExport(ExportTarget.Gguf).Single().ShouldContain("export a CausalLM");
        classifier.CheckExport(ExportTarget.Onnx).ShouldBeEmpty();
        using var peft = classifier.ApplyLora();
        peft.CheckExport(ExportTarget.OnnxGenAI).Single().ShouldContain("export a CausalLM");
    }
}
