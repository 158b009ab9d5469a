namespace Peft.Lora;

/// <summary>VB-LoRA's bank of vectors <c>[vectors, length]</c>.</summary>
internal sealed class VbLoraBank : SharedTensors
{
    public VbLoraBank(VbLoraOptions options, Target first) : base(first.ComputeType, first.Device)
        => Vectors = Trainable("vblora_vector_bank", Uniform(options.BankBound, options.Vectors, options.VectorLength));

    public Parameter Vectors { get; }
}
