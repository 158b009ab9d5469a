using static TorchSharp.torch;

namespace Peft.Quantization.Checkpoints;

/// <summary>bitsandbytes: NF4 and FP4 with a description per weight, and LLM.int8 with <c>SCB</c> next to the weight.</summary>
internal sealed class BitsAndBytesFormat : CheckpointFormat
{
    private static readonly string[] States = ["weight.quant_state.bitsandbytes__nf4", "weight.quant_state.bitsandbytes__fp4"];

    public override string Name => "bitsandbytes";

    protected override IEnumerable<string> Marks => States.Select(state => "." + state).Append(".SCB");

    protected override IReadOnlyList<string> Parts { get; } =
        [".weight", ".weight.absmax", ".weight.quant_map", ".weight.nested_absmax", ".weight.nested_quant_map", .. States.Select(state => "." + state), ".SCB", ".weight_format"];

    protected override QuantizedMatrix Read(QuantizedModule module)
    {
        if (Array.Find(States, state => module.Entry("." + state) is not null) is not { } state) return Int8Matrix.Read(module.Path, module.Find, inputThreshold: null);
        using var description = module.Files.ReadBytes($"{module.Path}.{state}");
        return FourBitMatrix.Read(module.Path, module.Bytes("weight"), description.bytes.ToArray(), module.Find);
    }
}
