using Peft.Checkpoints;
using static TorchSharp.torch;

namespace Peft.Quantization.Checkpoints;

/// <summary>FP8 in tiles (<c>weight_scale_inv</c>, which multiplies) or with one scale (<c>weight_scale</c>).</summary>
internal sealed class Float8Format : CheckpointFormat
{
    private readonly (long Rows, long Columns)? tile;

    public Float8Format(JsonPart config)
    {
        if (config["weight_block_size"] is not { IsNull: false } size) return;
        int[] sizes = [.. size.Items().Select(each => each.AsInt())];
        tile = sizes is [> 0, > 0] ? (sizes[0], sizes[1]) : throw size.Wrong("rows and columns of a tile");
    }

    public override string Name => "fp8";

    protected override IEnumerable<string> Marks => [".weight_scale_inv", ".weight_scale"];

    protected override IReadOnlyList<string> Parts { get; } = [".weight", ".weight_scale_inv", ".weight_scale", ".input_scale", ".activation_scale", ".activation_scale_inv"];

    protected override QuantizedMatrix Read(QuantizedModule module) => Read(module, module.Entry(".weight_scale_inv") is null ? null : tile);

    /// <summary>Reads a weight of FP8 with its scales.</summary>
    /// <param name="module">The module.</param>
    /// <param name="tile">Rows and columns that share a scale; null if each output, or the whole weight, has one.</param>
    public static QuantizedMatrix Read(QuantizedModule module, (long Rows, long Columns)? tile)
    {
        var entry = module.Entry(".weight") ?? throw module.Missing("weight");
        if (entry.TypeName is not ("F8_E4M3" or "F8_E5M2")) throw new QuantizationException($"{entry} of {module.Path} should be of the dtype F8_E4M3.");
        var name = module.Entry(".weight_scale_inv") is null ? "weight_scale" : "weight_scale_inv";
        return Float8Matrix.Read(module.Path, module.Bytes("weight").view([.. entry.Shape]), Scales(module, name), tile, entry.TypeName == "F8_E5M2");
    }

    // Scales may be powers of two, a byte each.
    private static Tensor Scales(QuantizedModule module, string name)
    {
        var entry = module.Entry("." + name) ?? throw module.Missing(name);
        if (entry.TypeName != "F8_E8M0") return module.Find(name)!.to_type(ScalarType.Float32);
        var exponents = module.Bytes(name).to_type(ScalarType.Float32).sub(Constant(127));
        return full_like(exponents, Constant(2)).pow(exponents).view([.. entry.Shape]);
    }
}
