using System.Text.Json.Nodes;
using Peft.Modules;
using Peft.Quantization;
using Peft.Quantization.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Models;

/// <summary>The <c>quantization_config</c> of models with GPTQ or AWQ weights.</summary>
internal static class GroupedSaving
{
    /// <summary>The configuration with which the model was loaded, if it describes these weights, or else a new one.</summary>
    /// <exception cref="QuantizationException">The weights differ in a setting that the configuration has only once.</exception>
    public static JsonNode Describe(PretrainedModel model, IReadOnlyDictionary<string, QuantizedStorage> weights)
    {
        var matrices = weights.ToDictionary(pair => pair.Key, pair => (GroupedMatrix)pair.Value.Matrix);
        if (model.Config[QuantizedLoading.Field] is { } given && matrices.Values.All(CheckpointFormat.Of(given, model.Config.Source)!.Describes)) return given.DeepClone();
        var first = matrices.First();
        var isWhole = matrices.Values.All(matrix => matrix.GroupSize == matrix.Columns);
        foreach (var (path, matrix) in matrices)
            if (matrix.Bits != first.Value.Bits || (!isWhole && matrix.GroupSize != first.Value.GroupSize) || matrix.ZeroOffset != first.Value.ZeroOffset)
                throw new QuantizationException($"{path} and {first.Key} differ in bits, group size or format version, but a saved model has one of each: Dequantize() the model, or quantize all its weights alike.");
        var size = isWhole ? -1 : first.Value.GroupSize;
        return first.Value is GptqMatrix ? Gptq(model, [.. matrices.Values.Cast<GptqMatrix>()], size, matrices.Keys) : Awq(model, size);
    }

    private static JsonObject Gptq(PretrainedModel model, IReadOnlyList<GptqMatrix> matrices, int size, IEnumerable<string> paths)
    {
        var config = new JsonObject
        {
            ["bits"] = matrices[0].Bits,
            ["checkpoint_format"] = matrices[0].ZeroOffset == 1 ? "gptq" : "gptq_v2",
            ["desc_act"] = matrices.Any(matrix => !matrix.IsInOrder),
            ["group_size"] = size,
            ["lm_head"] = false,
            ["quant_method"] = "gptq",
            ["sym"] = matrices.All(matrix => matrix.IsSymmetric),
            ["true_sequential"] = true,
        };
        // Without a list, transformers expects every linear module of a layer in this form.
        if (Floats(model).Count > 0) config["modules_in_block_to_quantize"] = new JsonArray([.. paths.Select(InLayer).Distinct().Select(path => (JsonNode)new JsonArray(path))]);
        return config;
    }

    private static JsonObject Awq(PretrainedModel model, int size) => new()
    {
        ["bits"] = 4,
        ["group_size"] = size,
        ["modules_to_not_convert"] = Floats(model) is { Count: > 0 } floats ? new JsonArray([.. floats.Select(path => (JsonNode)path)]) : null,
        ["quant_method"] = "awq",
        ["version"] = "gemm",
        ["zero_point"] = true,
    };

    // The linear modules that would be quantized by default, and are not.
    private static List<string> Floats(PretrainedModel model)
        => [.. model.named_modules().Where(pair => pair.module is Linear or TransposedLinear && ((AdaptableModule)pair.module).Storage.Parameter is not null && ModelQuantization.IsQuantizable(model, pair.name, pair.module)).Select(pair => pair.name)];

    // A module's path after its layer index.
    private static string InLayer(string path)
    {
        var parts = path.Split('.');
        var number = Array.FindIndex(parts, part => int.TryParse(part, out _));
        return string.Join('.', parts[(number + 1)..]);
    }
}
