using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Peft.Lora;

/// <summary>
/// MonteCLoRA (Sengupta et al. 2024, arXiv:2411.04358): in training LoRA's A is A + ε·√v ∘ Σₙ wₙ·Zₙ, with Zₙ <c>[rank, in]</c> normal, v <c>[rank]</c> from a Wishart
/// distribution with scales exp(2·p), and shares w from a Dirichlet distribution with concentrations α = exp(q). p and q are trained, by the noise and by the divergence from
/// their priors, which a training loss contains.
/// </summary>
internal sealed class MontecloraLayer : LoraLayer, IPenalty
{
    private const string Prefix = "lora_monteclora_sampler.";

    private readonly MontecloraOptions options;
    private readonly int layers;
    private readonly Parameter logScales, logConcentrations;      // p [rank], q [samples]
    private readonly Parameter variances, shares;                 // of the last pass: diag(v) [rank, rank], w [samples]
    private readonly Parameter chiSquare, normal;                 // what they were drawn from
    private bool drawn;

    /// <param name="target">The adapted module.</param>
    /// <param name="lora">The adapter's options.</param>
    /// <param name="options">Those of the noise.</param>
    /// <param name="layers">Layers of the adapter, over which the loss is averaged.</param>
    public MontecloraLayer(Target target, LoraOptions lora, MontecloraOptions options, int layers) : base(target, lora)
    {
        (this.options, this.layers) = (options, layers);
        logScales = Trainable(Prefix + "std_prior", Uniform(0.5, Rank).add(Kept(0.5), One));
        logConcentrations = Trainable(Prefix + "expert_weights_prior", Uniform(0.5, options.Samples).add(Kept(0.5), One));
        variances = State(Prefix + "gaussian_var_prior", eye(Rank, dtype: TensorType, device: Device), saved: true);
        shares = State(Prefix + "expert_weights", Ones(options.Samples).div(Kept(options.Samples)), saved: true);
        chiSquare = Frozen("lora_monteclora_chi_square", Ones(Rank), saved: false);
        normal = Frozen("lora_monteclora_normal", Zeros(options.Samples), saved: false);
    }

    // The weight that an adapter is folded into has no noise.
    protected override double CostPerPosition => Training ? 0 : base.CostPerPosition;

    // A pass draws what the penalty is computed from.
    protected override bool DependsOnBatch => Training;

    protected override Tensor Reduce(Tensor input)
    {
        if (!Training) return base.Reduce(input);
        Draw();
        var noise = tensordot(Shares(), randn([options.Samples, Rank, Target.In], TensorType, Device), [0], [0]);
        return Target.Apply(input, MatrixA.add(Variances().sqrt().unsqueeze(1).mul(noise), alpha: Kept(options.NoiseScale)));
    }

    public Tensor? Penalty()
    {
        if (!Training || !drawn) return null;
        var loss = Divergence().mul(Kept(options.DivergenceWeight));
        if (options.UseEntropy) loss = loss.add(Shares().square().sum(), One);
        return loss.div(Kept(layers));
    }

    private void Draw()
    {
        using var _ = no_grad();
        // The diagonal of a Wishart matrix with as many degrees of freedom as rows and the unit scale: sums of squares, independent of each other.
        chiSquare.copy_(randn([Rank, Rank], TensorType, Device).square().sum(dim: 0));
        normal.copy_(randn([options.Samples], TensorType, Device));
        variances.copy_(Variances().diag());
        shares.copy_(Shares());
        drawn = true;
    }

    // Copies: the next pass may draw before this one's gradient is taken.
    private Tensor Variances() => logScales.mul(Kept(2)).exp().mul(chiSquare.clone()).clamp_min(Kept(1e-3));

    // A normal distribution of the logits that is close to the Dirichlet's (Laplace's bridge).
    private Tensor Shares()
    {
        var n = (double)options.Samples;
        var concentrations = logConcentrations.exp().clamp_min(Kept(1e-6));
        var logs = concentrations.log();
        var inverse = concentrations.reciprocal();
        var spread = inverse.mul(Kept(1 - 2 / n)).add(inverse.sum().div(Kept(n * n)), One).clamp_min(Kept(1e-6)).add(Kept(1e-6), One).sqrt();
        return spread.mul(normal.clone()).add(logs.sub(logs.mean()), One).softmax(-1);
    }

    // Term by term as Hugging Face PEFT has it.
    private Tensor Divergence()
    {
        var (rank, n, prior) = ((double)Rank, options.Samples, options.DirichletPrior);
        var concentrations = logConcentrations.exp();
        var sum = concentrations.sum();
        var priors = full_like(concentrations, Kept(prior)).detach();
        var dirichlet = sum.lgamma().sub(priors.sum().lgamma()).add(concentrations.lgamma().sub(priors.lgamma()).sum(), One)
            .add(concentrations.sub(priors).mul(concentrations.digamma().sub(sum.digamma())).sum(), One);
        var wishart = logScales.mul(Kept(2)).exp().sum().sub(logScales.mul(Kept(2)).sum()).mul(Kept(rank)).sub(Kept(rank * rank)).mul(Kept(0.5));
        var current = Variances();
        var gaussian = current.sum().sub(current.log().sum()).sub(Kept(rank)).mul(Kept(0.5 * n));
        return dirichlet.add(wishart, One).add(gaussian, One);
    }
}
