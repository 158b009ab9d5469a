namespace Peft.Lora;

/// <summary>
/// MonteCLoRA (Sengupta et al. 2024, arXiv:2411.04358): in training, LoRA's A becomes A + ε·√v ∘ Σₙ wₙ·Zₙ, with Zₙ <c>[rank, in]</c> normal, v <c>[rank]</c>
/// from a Wishart distribution with scales exp(2·p), and weights w from a Dirichlet distribution with concentrations α = exp(q). p and q are trained through
/// the noise and through the KL divergence from their priors, which is added to the training loss.
/// </summary>
internal sealed class MontecloraLayer : LoraLayer, IPenalty
{
    private const string Prefix = "lora_monteclora_sampler.";

    private readonly MontecloraOptions options;
    private readonly int layers;
    private readonly Parameter logScales, logConcentrations;   // p [rank], q [samples]
    private readonly Parameter variances, sampleWeights;       // of the last forward pass: diag(v) [rank, rank], w [samples]
    private readonly Parameter chiSquare, normal;              // the random values behind them
    private bool drawn;

    /// <param name="target">The adapted module.</param>
    /// <param name="lora">The adapter's options.</param>
    /// <param name="options">The options of the noise.</param>
    /// <param name="layers">Number of layers of the adapter, over which the penalty is averaged.</param>
    public MontecloraLayer(Target target, LoraOptions lora, MontecloraOptions options, int layers) : base(target, lora)
    {
        (this.options, this.layers) = (options, layers);
        logScales = Trainable(Prefix + "std_prior", Uniform(0.5, Rank).add(Constant(0.5), One));
        logConcentrations = Trainable(Prefix + "expert_weights_prior", Uniform(0.5, options.Samples).add(Constant(0.5), One));
        variances = State(Prefix + "gaussian_var_prior", eye(Rank, dtype: TensorType, device: Device), saved: true);
        sampleWeights = State(Prefix + "expert_weights", Ones(options.Samples).div(Constant(options.Samples)), saved: true);
        chiSquare = Frozen("lora_monteclora_chi_square", Ones(Rank), saved: false);
        normal = Frozen("lora_monteclora_normal", Zeros(options.Samples), saved: false);
    }

    public override bool IsLowRank => !Training && base.IsLowRank;

    // A folded weight would have no noise.
    protected override double CostPerPosition => Training ? 0 : base.CostPerPosition;

    // The penalty depends on the values drawn in the forward pass.
    protected override bool DependsOnBatch => Training;

    protected override Tensor Reduce(Tensor input)
    {
        if (!Training) return base.Reduce(input);
        Draw();
        var noise = tensordot(SampleWeights(), randn([options.Samples, Rank, Target.In], TensorType, Device), [0], [0]);
        return Target.Apply(input, MatrixA.add(Variances().sqrt().unsqueeze(1).mul(noise), alpha: Constant(options.NoiseScale)));
    }

    public Tensor? Penalty()
    {
        if (!Training || !drawn) return null;
        var loss = Divergence().mul(Constant(options.DivergenceWeight));
        if (options.UseEntropy) loss = loss.add(SampleWeights().square().sum(), One);
        return loss.div(Constant(layers));
    }

    private void Draw()
    {
        using var _ = no_grad();
        // The diagonal of a Wishart matrix with unit scale and as many degrees of freedom as rows consists of independent sums of squares.
        chiSquare.copy_(randn([Rank, Rank], TensorType, Device).square().sum(dim: 0));
        normal.copy_(randn([options.Samples], TensorType, Device));
        variances.copy_(Variances().diag());
        sampleWeights.copy_(SampleWeights());
        drawn = true;
    }

    // Copies: the next forward pass may draw before this one's backward pass.
    private Tensor Variances() => logScales.mul(Constant(2)).exp().mul(chiSquare.clone()).clamp_min(Constant(1e-3));

    // A normal approximation of the Dirichlet distribution in logit space (Laplace bridge).
    private Tensor SampleWeights()
    {
        var n = (double)options.Samples;
        var concentrations = logConcentrations.exp().clamp_min(Constant(1e-6));
        var logs = concentrations.log();
        var inverse = concentrations.reciprocal();
        var spread = inverse.mul(Constant(1 - 2 / n)).add(inverse.sum().div(Constant(n * n)), One).clamp_min(Constant(1e-6)).add(Constant(1e-6), One).sqrt();
        return spread.mul(normal.clone()).add(logs.sub(logs.mean()), One).softmax(-1);
    }

    // Term by term as in Hugging Face PEFT.
    private Tensor Divergence()
    {
        var (rank, n, prior) = ((double)Rank, options.Samples, options.DirichletPrior);
        var concentrations = logConcentrations.exp();
        var sum = concentrations.sum();
        var priors = full_like(concentrations, Constant(prior)).detach();
        var dirichlet = sum.lgamma().sub(priors.sum().lgamma()).add(concentrations.lgamma().sub(priors.lgamma()).sum(), One)
            .add(concentrations.sub(priors).mul(concentrations.digamma().sub(sum.digamma())).sum(), One);
        var wishart = logScales.mul(Constant(2)).exp().sum().sub(logScales.mul(Constant(2)).sum()).mul(Constant(rank)).sub(Constant(rank * rank)).mul(Constant(0.5));
        var current = Variances();
        var gaussian = current.sum().sub(current.log().sum()).sub(Constant(rank)).mul(Constant(0.5 * n));
        return dirichlet.add(wishart, One).add(gaussian, One);
    }
}
