using Peft.Kernels;

namespace Peft.Quantization.Checkpoints;

/// <summary>
/// compressed-tensors: packed integers of 4 or 8 bits (<c>pack-quantized</c>), 8 bits (<c>int-quantized</c>) or FP8 (<c>float-quantized</c>), also of several kinds in one model (<c>mixed-precision</c>). Rules for
/// quantizing inputs and the KV cache are not applied.
/// </summary>
internal sealed class CompressedTensorsFormat : CheckpointFormat
{
    private readonly List<int> bits = [];
    private readonly List<(long Rows, long Columns)?> tiles = [];

    public CompressedTensorsFormat(JsonPart config)
    {
        var isMixed = config["format"].AsString("dense") == "mixed-precision";
        foreach (var part in isMixed ? config["config_groups"].Properties().Select(group => group.Value) : [config])
            if (part["format"].AsString("dense") is var format && format is not ("pack-quantized" or "int-quantized" or "float-quantized" or "naive-quantized")) throw part.Unsupported($"the format '{format}' of compressed-tensors");
        if (config["sparsity_config"] is { IsNull: false } sparse && sparse["format"].AsString("dense") != "dense") throw config.Unsupported("sparsity of compressed-tensors");
        foreach (var weights in config["config_groups"].Properties().Select(group => group.Value["weights"]).Where(each => !each.IsNull))
        {
            var each = weights["num_bits"].AsInt();
            if (each is not (4 or 8)) throw weights.Unsupported($"a weight of {each} bits");
            bits.Add(each);
            if (weights["type"].AsString("int") == "float" && Tile(weights) is { } tile) tiles.Add(tile);
        }
        if (bits.Count == 0) throw config["config_groups"].Wrong("groups with settings of weights");
    }

    public override string Name => "compressed-tensors";

    protected override IEnumerable<string> Marks => [".weight_packed", ".weight_scale"];

    protected override IReadOnlyList<string> Parts { get; } =
        [".weight", ".weight_packed", ".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx", ".input_scale", ".input_zero_point", ".output_scale", ".output_zero_point", ".input_global_scale"];

    // The shapes tell to which group of settings a module belongs.
    protected override QuantizedMatrix Read(QuantizedModule module)
    {
        if (module.Entry(".weight") is { TypeName: "F8_E4M3" })
            return Float8Format.Read(module, module.Entry(".weight_scale") is { Shape: [var down, var across] }
                ? tiles.Find(tile => TensorParts.Count(module.Rows, tile!.Value.Rows) == down && TensorParts.Count(module.Columns, tile.Value.Columns) == across) ?? tiles.FirstOrDefault() : null);
        int? packed = module.Entry(".weight_packed") is not { Shape: var shape } ? null : bits.FindIndex(each => shape[^1] == TensorParts.Count(module.Columns * each, 32)) is >= 0 and var own ? bits[own] : bits[0];
        return IntegerMatrix.Read(module.Path, module.Rows, module.Columns, packed, module.Find);
    }

    // Rows and columns that share a scale; null if each output, or the whole weight, has one.
    private static (long Rows, long Columns)? Tile(JsonPart weights)
    {
        switch (weights["strategy"].AsString("tensor"))
        {
            case "block":
                int[] sizes = [.. weights["block_structure"].Items().Select(each => each.AsInt())];
                return sizes is [> 0, > 0] ? (sizes[0], sizes[1]) : throw weights["block_structure"].Wrong("rows and columns of a tile");
            case "group":
                return (1, weights["group_size"].AsInt() is > 0 and var size ? size : throw weights["group_size"].Wrong("at least 1"));
            default:
                return null;
        }
    }
}
