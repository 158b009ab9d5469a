using System.Text.Json.Nodes;
using Peft.Modules;
using Peft.Quantization;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>Writes quantized weights in the formats that transformers reads.</summary>
internal static class QuantizedSaving
{
    /// <summary>Adds the tensors of quantized weights.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tensors">The tensors to save, by key.</param>
    /// <returns>The field <c>quantization_config</c>; null if no weight is quantized.</returns>
    /// <exception cref="QuantizationException">The weights are in a format that transformers does not read, or in several formats.</exception>
    public static JsonNode? Add(PretrainedModel model, Dictionary<string, Tensor> tensors)
    {
        var weights = model.QuantizedWeights();
        if (weights.Count == 0) return null;
        if (model.named_modules().FirstOrDefault(pair => weights.ContainsKey(pair.name) && (pair.module is Embedding || pair.module == model.HeadModule)) is { module: not null } own)
            throw new QuantizationException($"{own.name} is quantized, which transformers does not read: Dequantize() the model before it is saved, or quantize it without QuantizationOptions.Embeddings.");
        string[] kinds = [.. weights.Values.Select(weight => weight.Matrix.Kind).Distinct()];
        if (kinds.Length > 1) throw new QuantizationException($"The model has {string.Join(" and ", kinds)} weights, but a saved model has one format: Dequantize() it, or quantize all its weights alike.");
        foreach (var (path, weight) in weights)
        {
            var parts = weight.Matrix switch
            {
                FourBitMatrix matrix => matrix.ToCheckpoint(),
                Int8Matrix matrix => matrix.ToCheckpoint(),
                GptqMatrix matrix => matrix.ToCheckpoint(),
                AwqMatrix matrix => matrix.ToCheckpoint(),
                var other => throw new QuantizationException($"{path} is quantized as {other.Kind}, which transformers does not read: Dequantize() the model before it is saved, or quantize it as NF4, FP4 or LLM.int8."),
            };
            var key = model.KeyOf(path + ".weight");
            foreach (var (name, tensor) in parts) tensors.Add(key[..^"weight".Length] + name, tensor);
        }
        return weights.First().Value.Matrix switch
        {
            FourBitMatrix matrix => Describe(model, "load_in_4bit", matrix),
            Int8Matrix => Describe(model, "load_in_8bit", null),
            _ => GroupedSaving.Describe(model, weights),
        };
    }

    private static JsonObject Describe(PretrainedModel model, string kind, FourBitMatrix? four) => new()
    {
        ["_load_in_4bit"] = kind == "load_in_4bit",
        ["_load_in_8bit"] = kind == "load_in_8bit",
        ["bnb_4bit_compute_dtype"] = "float32",
        ["bnb_4bit_quant_storage"] = "uint8",
        ["bnb_4bit_quant_type"] = four?.Kind ?? "fp4",
        ["bnb_4bit_use_double_quant"] = four?.IsDoubleQuantized ?? false,
        ["llm_int8_enable_fp32_cpu_offload"] = false,
        ["llm_int8_has_fp16_weight"] = false,
        ["llm_int8_skip_modules"] = Skipped(model),
        ["llm_int8_threshold"] = 6.0,
        ["load_in_4bit"] = kind == "load_in_4bit",
        ["load_in_8bit"] = kind == "load_in_8bit",
        ["quant_method"] = "bitsandbytes",
    };

    // Null means the default of transformers, the head. A list replaces it.
    private static JsonArray? Skipped(PretrainedModel model)
    {
        var floats = model.named_modules().Where(pair => pair.module is Linear or TransposedLinear && ((AdaptableModule)pair.module).Storage.Parameter is not null).ToList();
        return floats.Exists(pair => ModelQuantization.IsQuantizable(model, pair.name, pair.module)) ? [.. floats.Select(pair => (JsonNode)pair.name)] : null;
    }
}
