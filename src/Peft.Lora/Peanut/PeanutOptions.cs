namespace Peft;

/// <summary>
/// PEANuT (Zhong et al. 2024, arXiv:2410.01870): W + s·f(W), where f is a small trained network whose input is the base weight. Mergeable.
/// </summary>
[MethodDescription("PEANuT", "W + s·f(W), f a small network", "Zhong et al. 2024, arXiv:2410.01870")]
[LearningRate(1e-3)]
public sealed record PeanutOptions() : TargetedOptions("PEANUT")
{
    /// <summary>Width of the network. At least 1.</summary>
    [JsonPropertyName("r"), AtLeast(1)] public int Rank { get; init; } = 32;

    /// <summary>Number of pairs of inner layers, each with a residual connection.</summary>
    [JsonPropertyName("depth"), AtLeast(0)] public int LayerPairs { get; init; }

    /// <summary>Activation function: <c>relu</c>, <c>gelu</c>, <c>silu</c>, <c>tanh</c>, <c>sigmoid</c>, <c>leaky_relu</c> or <c>linear</c>.</summary>
    [JsonPropertyName("act_fn"), OneOf("relu", "gelu", "silu", "swish", "tanh", "sigmoid", "leaky_relu", "linear")] public string Activation { get; init; } = "relu";

    /// <summary>Scaling s of the update.</summary>
    [JsonPropertyName("scaling")] public double Scaling { get; init; } = 1;

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override AdapterLayer CreateLayer(Target target) => new PeanutLayer(target, this);
}
