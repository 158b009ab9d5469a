namespace Peft;

/// <summary>
/// FourierFT (Gao et al. 2024, arXiv:2405.03003): W + s·Re(F⁻¹(S)), where the spectrum S is zero except for a few trained coefficients. Mergeable.
/// </summary>
[MethodDescription("FourierFT", "W + s·Re(F⁻¹(S)), S sparse", "Gao et al. 2024, arXiv:2405.03003")]
[LearningRate(3e-2)]
[FanInFanOut]
public sealed record FourierFtOptions() : BiasedOptions("FOURIERFT")
{
    /// <summary>Number of trained coefficients per weight. Their indices are drawn from the seed.</summary>
    [JsonPropertyName("n_frequency"), AtLeast(1)] public int Frequencies { get; init; } = 1000;

    /// <summary>Counts that override <see cref="Frequencies"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("n_frequency_pattern")] public IReadOnlyDictionary<string, int>? FrequenciesPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Scaling s of the update.</summary>
    [JsonPropertyName("scaling")] public double Scaling { get; init; } = 150;

    /// <summary>Seed of the coefficients' indices. The indices are not saved.</summary>
    [JsonPropertyName("random_loc_seed")] public int? Seed { get; init; } = 777;

    /// <summary>True to initialize the adapter as a no-op; false (Hugging Face PEFT's default) for a random spectrum.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; }

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Spectral) ?? base.DefaultTargets(model);

    protected override AdapterLayer CreateLayer(Target target) => new FourierFtLayer(target, this);
}
