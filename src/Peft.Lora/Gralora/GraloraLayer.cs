namespace Peft.Lora;

/// <summary>
/// GraLoRA (Jung et al. 2025, arXiv:2505.20355): block (j, n) of ΔW is s·Bⱼₙ·Aₙⱼ, of rank r/k, where A <c>[k, in/k, r]</c> and B
/// <c>[k, r, out/k]</c> are split into k parts along the rank.
/// </summary>
internal sealed class GraloraLayer : DeltaLayer
{
    private readonly Parameter a, b;
    private readonly Parameter? generalA, generalB;
    private readonly double scaling;

    public GraloraLayer(Target target, GraloraOptions options) : base(target)
    {
        var (k, r, general) = (options.Blocks, options.Rank, options.HybridRank);
        if (target.In % k != 0 || target.Out % k != 0) throw new AdapterOptionsException($"Blocks must divide the input and output size of each target, but was {k} for {target}.");
        Dropout = options.Dropout;
        scaling = options.Alpha / (r + general);
        a = Trainable("gralora_A", KaimingUniform(k * r, target.In / k).view(k, r, target.In / k).transpose(1, 2).contiguous());
        b = Trainable("gralora_B", options.InitWeights ? Zeros(k, r, target.Out / k) : KaimingUniform(k * (target.Out / k), r).view(k, target.Out / k, r).transpose(1, 2).contiguous());
        if (general == 0) return;
        generalA = Trainable("gralora_A_general.weight", KaimingUniform(general, target.In));
        generalB = Trainable("gralora_B_general.weight", options.InitWeights ? Zeros(target.Out, general) : KaimingUniform(target.Out, general));
    }

    public override Tensor Delta() => Product(eye(Target.In, dtype: a.dtype, device: a.device)).t();

    protected override double MultiplyCost => (a.size(2) + (generalA?.size(0) ?? 0)) * (double)(Target.In + Target.Out);

    protected override Tensor? Multiply(Tensor input) => Product(input.reshape(-1, Target.In)).view([.. input.shape[..^1], Target.Out]);

    private Tensor Product(Tensor x)   // [positions, in]
    {
        var (k, r) = (a.size(0), a.size(2));
        var hidden = x.view(-1, k, Target.In / k).transpose(0, 1).bmm(a);                            // [k (n), positions, r]
        var mixed = hidden.view(k, -1, k, r / k).permute(2, 1, 0, 3).reshape(k, -1, r).mul(Constant(scaling));   // [k (j), positions, r]
        var output = mixed.bmm(b).transpose(0, 1).reshape(-1, Target.Out);
        return generalA is null ? output : output.add(nn.functional.linear(nn.functional.linear(x, generalA).mul(Constant(scaling)), generalB!), One);
    }
}
