namespace Peft.Quantization.Checkpoints;

/// <summary>compressed-tensors: packed integers of 4 or 8 bits (<c>pack-quantized</c>), 8 bits (<c>int-quantized</c>) or FP8 (<c>float-quantized</c>). Rules for quantizing inputs are not applied.</summary>
internal sealed class CompressedTensorsFormat : CheckpointFormat
{
    private readonly int bits;

    public CompressedTensorsFormat(JsonPart config)
    {
        var format = config["format"].AsString("dense");
        if (format is not ("pack-quantized" or "int-quantized" or "float-quantized" or "naive-quantized")) throw config.Unsupported($"the format '{format}' of compressed-tensors");
        if (config["sparsity_config"] is { IsNull: false } sparse && sparse["format"].AsString("dense") != "dense") throw config.Unsupported("sparsity of compressed-tensors");
        JsonPart[] weights = [.. config["config_groups"].Properties().Select(group => group.Value["weights"]).Where(each => !each.IsNull)];
        if (weights.Length == 0) throw config["config_groups"].Wrong("groups with settings of weights");
        bits = weights[0]["num_bits"].AsInt();
        if (bits is not (4 or 8)) throw weights[0].Unsupported($"a weight of {bits} bits");
        if (Array.Find(weights, each => each["num_bits"].AsInt() != bits) is { Path: not null } other) throw other.Unsupported("another number of bits than in the first group");
    }

    public override string Name => "compressed-tensors";

    protected override IEnumerable<string> Marks => [".weight_packed", ".weight_scale"];

    protected override IReadOnlyList<string> Parts { get; } =
        [".weight", ".weight_packed", ".weight_scale", ".weight_zero_point", ".weight_shape", ".weight_g_idx", ".input_scale", ".input_zero_point", ".output_scale", ".output_zero_point", ".input_global_scale"];

    protected override QuantizedMatrix Read(QuantizedModule module)
        => module.Entry(".weight") is { TypeName: "F8_E4M3" } ? Float8Format.Read(module, null)
            : IntegerMatrix.Read(module.Path, module.Rows, module.Columns, module.Entry(".weight_packed") is null ? null : bits, module.Find);
}
