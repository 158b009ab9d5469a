using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// LoRA of a head whose weight is the token embedding's: it uses the embedding's factors, turned, so that the two weights stay one. The
/// file holds them for both modules, as Hugging Face PEFT writes it.
/// </summary>
internal sealed class TiedLoraLayer : DeltaLayer
{
    private readonly LoraLayer owner;

    public TiedLoraLayer(Target target, LoraLayer owner) : base(target)
    {
        this.owner = owner;
        Shared("tied_A", owner.A, saved: false);
        Shared("tied_B", owner.B, saved: false);
    }

    // The embedding's matrix is [size, tokens], the head's [tokens, size].
    public override Tensor Delta() => owner.Delta().t();

    protected override double MultiplyCost => owner.Rank * (double)(Target.In + Target.Out);

    protected override Tensor Multiply(Tensor input) => nn.functional.linear(nn.functional.linear(input, owner.MatrixB.t()).mul(Kept(owner.Scaling)), owner.MatrixA.t());

    protected override IReadOnlyDictionary<string, Tensor> SavedCopies => new Dictionary<string, Tensor>
    {
        ["lora_A.weight"] = owner.MatrixB.t().detach(),
        ["lora_B.weight"] = owner.MatrixA.t().detach(),
    };
}
