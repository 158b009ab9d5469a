namespace Peft.Quantization.Checkpoints;

/// <summary>AWQ of 4 bits in the layout <c>gemm</c>.</summary>
internal sealed class AwqFormat : CheckpointFormat
{
    private readonly int groupSize;

    public AwqFormat(JsonPart config)
    {
        if (config["bits"] is { IsNull: false } bits && bits.AsInt() != 4) throw config.Unsupported($"AWQ of {bits.AsInt()} bits");
        if (config["version"].AsString("gemm") is var version && !version.Equals("gemm", StringComparison.OrdinalIgnoreCase)) throw config.Unsupported($"AWQ's layout '{version}'");
        var size = config["group_size"];
        groupSize = size.IsNull || size.AsDouble() == -1 ? int.MaxValue : size.AsInt() is > 0 and var given ? given : throw size.Wrong("at least 1, or -1");
    }

    public override string Name => "awq";

    protected override IEnumerable<string> Marks => [".qweight"];

    protected override IReadOnlyList<string> Parts { get; } = [".qweight", ".qzeros", ".scales"];

    public override bool Describes(QuantizedMatrix matrix) => matrix is AwqMatrix own && own.GroupSize == Math.Min(groupSize, own.Columns);

    protected override QuantizedMatrix Read(QuantizedModule module) => AwqMatrix.Read(module.Path, module.Rows, module.Columns, module.Find, (int)Math.Min(groupSize, module.Columns));
}
