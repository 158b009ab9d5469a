namespace Peft.Lora;

/// <summary>
/// LoRA of a head that is tied to the token embedding. It uses the embedding's factors, transposed, so that the two weights stay tied. The
/// factors are saved for both modules, as in Hugging Face PEFT.
/// </summary>
internal sealed class TiedLoraLayer : DeltaLayer, ISavesCopies
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

    protected override Tensor Multiply(Tensor input) => nn.functional.linear(nn.functional.linear(input, owner.PlainB.t()).mul(Constant(owner.Scaling)), owner.PlainA.t());

    /// <summary>The saved tensors of the plain LoRA with the same update, by name.</summary>
    public IEnumerable<(string Name, Tensor Value)> Plain() => [("lora_A.weight", owner.PlainB.t()), ("lora_B.weight", owner.PlainA.t())];

    public IReadOnlyDictionary<string, Tensor> SavedCopies => new Dictionary<string, Tensor>
    {
        ["lora_A.weight"] = owner.MatrixB.t().detach(),
        ["lora_B.weight"] = owner.MatrixA.t().detach(),
    };
}
