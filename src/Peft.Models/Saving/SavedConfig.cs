using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The <c>config.json</c> of a model to save: its original configuration with updated fields.</summary>
internal static partial class SavedConfig
{
    // Suffixes of class names in transformers.
    private static readonly Dictionary<string, string> Heads = new()
    {
        ["CAUSAL_LM"] = "ForCausalLM",
        ["SEQ_CLS"] = "ForSequenceClassification",
        ["TOKEN_CLS"] = "ForTokenClassification",
        ["QUESTION_ANS"] = "ForQuestionAnswering",
        ["SEQ_2_SEQ_LM"] = "ForConditionalGeneration",
    };

    private static readonly Dictionary<string, string> Names = new()
    {
        ["llama"] = "Llama", ["mistral"] = "Mistral", ["qwen2"] = "Qwen2", ["qwen3"] = "Qwen3", ["gemma"] = "Gemma", ["gemma2"] = "Gemma2",
        ["gemma3_text"] = "Gemma3", ["phi3"] = "Phi3", ["gpt2"] = "GPT2", ["gpt_neox"] = "GPTNeoX", ["opt"] = "OPT",
        ["bert"] = "Bert", ["roberta"] = "Roberta", ["distilbert"] = "DistilBert", ["t5"] = "T5",
    };

    public static ModelConfig Of(PretrainedModel model, ScalarType type, IReadOnlyList<string>? labels, JsonNode? quantization)
    {
        var config = quantization is null ? model.Config.Without(QuantizedLoading.Field) : model.Config.With(QuantizedLoading.Field, quantization);
        if (ClassOf(model) is { } name) config = config.With("architectures", new JsonArray(name));
        // transformers 5 writes dtype and reads both. Older versions use torch_dtype.
        config = config.With(config.Contains("dtype") ? "dtype" : "torch_dtype", type.ToString().ToLowerInvariant());
        return model.TaskType is "SEQ_CLS" or "TOKEN_CLS" ? WithLabels(config, labels)
            : labels is null ? config
            : throw new ArgumentException($"A {model.GetType().Name} has no classes to label.", nameof(labels));
    }

    private static string? ClassOf(PretrainedModel model)
    {
        if (model.TaskType is null || !Heads.TryGetValue(model.TaskType, out var head)) return null;
        var old = model.Config.Texts("architectures") is { Count: > 0 } names ? names[0] : null;
        if (old?.EndsWith(head, StringComparison.Ordinal) == true) return null;
        var stem = old is not null && ClassName().Match(old) is { Success: true } match ? match.Groups[1].Value : Names.GetValueOrDefault(model.ModelType);
        if (stem == "GPT2" && head == "ForCausalLM") head = "LMHeadModel";
        return stem is null ? null : stem + head;
    }

    private static ModelConfig WithLabels(ModelConfig config, IReadOnlyList<string>? labels)
    {
        int count = config.LabelCount;
        if (labels is not null && labels.Count != count) throw new ArgumentException($"There are {labels.Count} labels, but the model has {count} classes.", nameof(labels));
        if (labels is not null && labels.Distinct().Count() != count) throw new ArgumentException("Two labels are the same.", nameof(labels));
        if (labels is null)
        {
            if (config.Object("id2label")?.Count == count || (!config.Has("id2label") && count == 2)) return config;
            labels = [.. Enumerable.Range(0, count).Select(i => $"LABEL_{i}")];
        }
        // transformers does not write num_labels; it counts id2label.
        return config.Without("num_labels")
            .With("id2label", new JsonObject(labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>($"{i}", label))))
            .With("label2id", new JsonObject(labels.Select((label, i) => KeyValuePair.Create<string, JsonNode?>(label, i))));
    }

    [GeneratedRegex("^(.+?)(For[A-Z][A-Za-z0-9]*|LMHeadModel|DoubleHeadsModel|EncoderModel|Model)$")]
    private static partial Regex ClassName();
}
