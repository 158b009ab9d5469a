using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>LoHa (Hyeon-Woo et al. 2021, arXiv:2108.06098): W + s·(B₁·A₁)∘(B₂·A₂), of rank up to r² with s = alpha/r. Merges.</summary>
[MethodDescription("LoHa", "W + s·(B₁·A₁)∘(B₂·A₂)", "Hyeon-Woo et al. 2021, arXiv:2108.06098")]
[LearningRate(1e-3)]
public sealed record LohaOptions() : LycorisOptions("LOHA")
{
    /// <summary>Whether the adapter starts as none (a factor is zero); false for random factors.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    /// <summary>
    /// Whether the gradients of the factors with <see cref="LycorisOptions.UseEffectiveConv2d"/> are the exact ones. In LyCORIS and Hugging
    /// Face PEFT those of w1_a and w2_a are computed with the other one's kernel; false (the default) trains as they do.
    /// </summary>
    [JsonIgnore] public bool ExactGradient { get; init; }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new LohaLayer(target, this);
}
