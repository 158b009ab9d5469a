using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// LoRA (Hu et al. 2021, arXiv:2106.09685): ΔW = s·B·A, with A <c>[rank, in]</c> and B <c>[out, rank]</c>. Where the factors start as a
/// part of the weight (PiSSA, OLoRA, CorDA), that part is subtracted: ΔW = s·(B·A − B₀·A₀), so that the base weight stays what it is.
/// </summary>
internal sealed class LoraLayer : DeltaLayer
{
    private readonly Parameter? bias;
    private readonly double dropout;
    private readonly bool useRslora;

    public LoraLayer(Target target, LoraOptions options) : base(target)
    {
        var rank = options.RankAt(target.Path);
        Scaling = options.ScalingAt(target.Path);
        dropout = options.Dropout;
        useRslora = options.UseRslora;
        var (a, b) = LoraFactors.Initial(options.Initialization, target, rank, Scaling);
        A = Trainable(target.FactorName("lora", "A", ".weight"), a?.reshape(target.InputFactorShape(rank)) ?? KaimingUniform(target.InputFactorShape(rank)));
        B = Trainable(target.FactorName("lora", "B", ".weight"), b?.reshape(target.OutputFactorShape(rank)) ?? KaimingUniform(target.OutputFactorShape(rank)));
        if (options.UseLoraBias) bias = Trainable("lora_B.bias", Zeros(target.Out));
        if (options.Initialization.ReplacesBase) Start = (Frozen("lora_A0", Copy(MatrixA), saved: false), Frozen("lora_B0", Copy(MatrixB), saved: false));
    }

    public Parameter A { get; }

    public Parameter B { get; }

    /// <summary>The factors' initial values where they are a part of the weight.</summary>
    public (Parameter A, Parameter B)? Start { get; private set; }

    public double Scaling { get; private set; }

    public int Rank => (int)A.shape[0];

    public Tensor MatrixA => A.view(Rank, -1);

    public Tensor MatrixB => B.view(-1, Rank);

    public override Tensor Delta()
    {
        var product = MatrixB.mm(MatrixA);
        if (Start is { } start) product = product.sub(start.B.mm(start.A));
        return product.mul(Scaling);
    }

    protected override Tensor? DeltaBias() => bias?.mul(Scaling);

    // Dropout acts on the input of A alone, so no folded weight can express it. A lookup has no input to drop.
    private bool Drops => dropout > 0 && Training && !Target.IsLookup;

    protected override double CostPerPosition => Drops ? 0 : Rank * (double)(Target.In + Target.Out);

    protected override Tensor Apply(Tensor input)
    {
        var x = Drops ? nn.functional.dropout(input, dropout, training: true) : input;
        var added = Map(x, MatrixA, MatrixB);
        if (Start is { } start) added = added.sub(Map(input, start.A, start.B));
        return DeltaBias() is { } b ? added.add(Target.AlongOutput(b)) : added;
    }

    // Scaled while it is thin.
    private Tensor Map(Tensor x, Tensor a, Tensor b)
    {
        var hidden = Target.Apply(x, a);
        return Target.Expand(Scaling == 1 ? hidden : hidden.mul(Scaling), b);
    }

    /// <summary>Gives the layer other factors, of any rank: A <c>[rank, in]</c>, B <c>[out, rank]</c>, which may start as a part of the weight.</summary>
    public void Refactor(Tensor a, Tensor b, double alpha, bool replacesBase = false)
    {
        var rank = a.shape[0];
        Replace(A, a.reshape(Target.InputFactorShape(rank)));
        Replace(B, b.reshape(Target.OutputFactorShape(rank)));
        Scaling = alpha / (useRslora ? Math.Sqrt(rank) : rank);
        if (replacesBase && Start is { } start)
        {
            Replace(start.A, a);
            Replace(start.B, b);
        }
    }

    private static Tensor Copy(Tensor value) => value.detach().clone();
}
