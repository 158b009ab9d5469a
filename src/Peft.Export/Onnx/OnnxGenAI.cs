using System.Text.Json;
using System.Text.Json.Nodes;
using Peft.Checkpoints;
using Peft.Models;
using static TorchSharp.torch;

namespace Peft.Export.Onnx;

/// <summary>Writes folders for ONNX Runtime GenAI.</summary>
internal static class OnnxGenAI
{
    private const string ModelFile = "model.onnx";

    // The architectures that it knows by name; others are a "decoder".
    private static readonly HashSet<string> Known = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma", "gemma2", "gemma3_text"];

    // Settings of generation with the same names and meanings in both.
    private static readonly string[] Copied = ["do_sample", "temperature", "top_k", "top_p", "repetition_penalty"];

    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true, NewLine = "\n" };

    public static void Write(CausalLM model, OnnxInputs inputs, string folder, Tokenizer? tokenizer, ScalarType dtype, params IReadOnlyList<Adapter> adapters)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        OnnxModels.Require(model, dtype, folder);
        var config = Config(model).ToJsonString(Indented) + "\n";
        AtomicFolder.Write(folder, staging =>
        {
            OnnxModelFile.WriteInto(staging, ModelFile, OnnxModels.Build(model, inputs, dtype), 1 << 30);
            File.WriteAllText(Path.Combine(staging, "genai_config.json"), config);
            tokenizer?.Save(staging);
            foreach (var adapter in adapters) OnnxAdapterFile.Write(Path.Combine(staging, adapter.Name + OnnxAdapterFile.Extension), adapter, model, dtype, _ => true);
        });
    }

    /// <summary>What is missing for ONNX Runtime GenAI.</summary>
    public static IEnumerable<string> Problems(PretrainedModel model)
    {
        if (model is not CausalLM decoder) yield return $"a {model.GetType().Name} is not a decoder, which ONNX Runtime GenAI needs: export a CausalLM.";
        else if (Ends(decoder) is []) yield return $"{model.Config.Source} has no eos_token_id, with which ONNX Runtime GenAI ends a text. Set one (ModelConfig.With).";
    }

    private static IReadOnlyList<int> Ends(CausalLM model) => model.GenerationDefaults is { } defaults && defaults.Has("eos_token_id") ? defaults.Ids("eos_token_id") : model.Config.Ids("eos_token_id");

    private static JsonObject Config(CausalLM model)
    {
        var (spec, defaults, ends) = (model.Spec, model.GenerationDefaults, Ends(model));
        var names = OnnxCacheNames.Template;
        if (Problems(model).FirstOrDefault() is { } problem) throw new ExportException($"{problem} Nothing was written.");
        var search = new JsonObject { ["max_length"] = spec.MaxPositions, ["past_present_share_buffer"] = false };
        foreach (var name in Copied.Where(name => defaults?.Has(name) == true)) search[name] = defaults![name]!.DeepClone();
        var all = new JsonObject
        {
            ["type"] = Known.Contains(model.ModelType) ? model.ModelType : "decoder",
            ["vocab_size"] = spec.VocabularySize,
            ["context_length"] = spec.MaxPositions,
            ["eos_token_id"] = new JsonArray([.. ends.Select(id => (JsonNode)id)]),
            ["pad_token_id"] = model.Config.PadTokenId ?? ends[0],
            ["decoder"] = new JsonObject
            {
                ["filename"] = ModelFile,
                ["session_options"] = new JsonObject { ["provider_options"] = new JsonArray() },
                ["hidden_size"] = spec.HiddenSize,
                ["head_size"] = spec.HeadSize,
                ["num_attention_heads"] = spec.HeadCount,
                ["num_key_value_heads"] = spec.KeyValueHeadCount,
                ["num_hidden_layers"] = spec.LayerCount,
                ["inputs"] = new JsonObject { ["input_ids"] = "input_ids", ["attention_mask"] = "attention_mask", ["past_key_names"] = names.Past + "key", ["past_value_names"] = names.Past + "value" },
                ["outputs"] = new JsonObject { ["logits"] = "logits", ["present_key_names"] = names.Present + "key", ["present_value_names"] = names.Present + "value" },
            },
        };
        if (model.Config.Whole("bos_token_id") is { } begin) all["bos_token_id"] = begin;
        return new() { ["model"] = all, ["search"] = search };
    }
}
