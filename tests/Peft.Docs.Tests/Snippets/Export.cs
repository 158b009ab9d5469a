using Microsoft.ML.OnnxRuntime;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Docs.Tests.Snippets;

public class Export : InFolder
{
    [Fact]
    public void An_adapter_is_exported()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        // snippet: export-adapter
        foreach (var problem in peft.CheckExport(ExportTarget.Vllm)) Console.WriteLine(problem);   // prints nothing: vLLM supports this adapter
        peft.SaveAdapter("out/adapter");                                        // Hugging Face PEFT
        peft.SaveAsPlainLora("out/vllm");                                       // vLLM: --lora-modules name=out/vllm
        peft.SaveGguf("out/adapter.gguf");                                      // llama.cpp: --lora out/adapter.gguf
        peft.SaveOnnx("out/model.onnx");                                        // the base model; adapters are inputs
        peft.SaveOnnxAdapter("out/adapter.onnx_adapter");                       // ONNX Runtime: OrtLoraAdapter.Create
        // end
        peft.CheckExport(ExportTarget.Vllm).ShouldBeEmpty();
        Directory.GetFiles("out").Select(Path.GetFileName).Order().ShouldBe(["adapter.gguf", "adapter.onnx_adapter", "model.onnx"]);

        using var session = new InferenceSession("out/model.onnx");
        var inputs = session.InputNames.Where(name => name.StartsWith("past", StringComparison.Ordinal)).ToDictionary(name => name, _ => OrtValue.CreateTensorValueFromMemory(Array.Empty<float>(), [1, 4, 0, 8]));
        inputs["input_ids"] = OrtValue.CreateTensorValueFromMemory(new long[] { 1, 403, 407 }, [1, 3]);
        inputs["attention_mask"] = OrtValue.CreateTensorValueFromMemory(new long[] { 1, 1, 1 }, [1, 3]);
        // snippet: export-onnx-run
        using var adapter = OrtLoraAdapter.Create("out/adapter.onnx_adapter", null);
        using var options = new RunOptions();
        options.AddActiveLoraAdapter(adapter);
        using var results = session.Run(options, inputs, session.OutputNames);
        // end
        results[0].GetTensorTypeAndShape().Shape.Length.ShouldBeGreaterThan(2);
    }

    [Fact]
    public void An_adapter_of_another_method_is_approximated_by_a_LoRA()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyAdapter(new OftOptions { BlockSize = 8, TargetModules = ["q_proj"], InitWeights = false });
        // snippet: export-approximate
        foreach (var (path, rank, error) in peft.ConvertToLora("default", "lora", energy: 0.95))
            Console.WriteLine($"{path}: rank {rank}, {error:P1} of the update is lost");
        peft.SaveAdapter("out", "lora");   // to out/lora, for any reader of LoRA
        // end
        AdapterConfig.Read("out/lora").ShouldBeOfType<LoraOptions>();
    }

    [Fact]
    public void A_graph_is_written_in_float16()
    {
        using var model = CausalLM.FromPretrained("models/stories260K");
        using var peft = model.ApplyLora(rank: 8);
        // snippet: export-onnx-half
        var half = new ExportOptions { Dtype = ScalarType.Float16 };
        peft.SaveOnnx("out/half.onnx", options: half);
        peft.SaveOnnxAdapter("out/half.onnx_adapter", options: half);
        // end
        new FileInfo("out/half.onnx").Length.ShouldBeLessThan(800_000);
    }

    [Fact]
    public void T5_is_exported_as_two_graphs()
    {
        using var model = Seq2SeqLM.FromConfig(ModelConfig.Parse("""{"model_type": "t5", "vocab_size": 64, "d_model": 16, "d_kv": 8, "d_ff": 16, "num_heads": 2, "num_layers": 1}"""));
        using var peft = model.ApplyLora(rank: 2);
        // snippet: export-onnx-t5
        peft.SaveOnnx("out/t5");                  // encoder_model.onnx, decoder_with_past_model.onnx
        peft.SaveOnnxAdapter("out/t5");           // the same names with .onnx_adapter
        // end
        Directory.GetFiles("out/t5").Select(Path.GetFileName).Order().ShouldBe(["decoder_with_past_model.onnx", "decoder_with_past_model.onnx_adapter", "encoder_model.onnx", "encoder_model.onnx_adapter"]);
    }

    [Fact]
    public void A_merged_model_is_exported()
    {
        var tokenizer = Tokenizer.FromPretrained("models/stories260K");
        using var model = CausalLM.FromPretrained("models/stories260K");
        var peft = model.ApplyLora(rank: 8);
        // snippet: export-merged
        peft.MergeAndUnload();
        model.SavePretrained("out/merged", maxShardBytes: 2_000_000_000);       // transformers
        model.SaveGguf("out/merged.gguf", tokenizer, GgufWeights.Q4_K);         // llama.cpp, with the tokenizer and the chat template
        model.SaveOnnx("out/merged.onnx");                                      // ONNX Runtime
        // end
        using var again = CausalLM.FromPretrained("out/merged.gguf");
        again.Spec.LayerCount.ShouldBe(5);
    }
}
