namespace Peft.Quantization.Checkpoints;

/// <summary>GPTQ, with <c>desc_act</c> or not, in either version of the format.</summary>
internal sealed class GptqFormat : CheckpointFormat
{
    private readonly int bits, groupSize, zeroOffset;

    public GptqFormat(JsonPart config)
    {
        bits = config["bits"].AsInt();
        if (!PackedBits.IsKnown(bits)) throw config["bits"].Wrong("2, 3, 4 or 8");
        var size = config["group_size"];
        // −1 means all inputs.
        groupSize = size.IsNull || size.AsDouble() == -1 ? int.MaxValue : size.AsInt() is > 0 and var given ? given : throw size.Wrong("at least 1, or -1");
        // Modules that a rule excludes ("-:…") are float in the file.
        foreach (var (name, rule) in config["dynamic"] is { IsNull: false } rules ? rules.Properties() : [])
            if (!name.StartsWith("-:", StringComparison.Ordinal) && (Differs(rule, "bits") || Differs(rule, "group_size"))) throw rule.Unsupported("another number of bits or group size for some modules");
        zeroOffset = config["checkpoint_format"].AsString("gptq") switch
        {
            "gptq" => 1,
            "gptq_v2" => 0,
            var other => throw config.Unsupported($"the checkpoint_format '{other}'"),
        };

        bool Differs(JsonPart rule, string field) => rule[field] is { IsNull: false } own && own.AsDouble() != config[field].AsDouble();
    }

    public override string Name => "gptq";

    protected override IEnumerable<string> Marks => [".qweight"];

    protected override IReadOnlyList<string> Parts { get; } = [".qweight", ".qzeros", ".scales", ".g_idx"];

    public override bool Describes(QuantizedMatrix matrix)
        => matrix is GptqMatrix own && own.Bits == bits && own.GroupSize == Math.Min(groupSize, own.Columns) && own.ZeroOffset == zeroOffset;

    protected override QuantizedMatrix Read(QuantizedModule module)
        => GptqMatrix.Read(module.Path, module.Rows, module.Columns, module.Find, bits, (int)Math.Min(groupSize, module.Columns), zeroOffset);
}
