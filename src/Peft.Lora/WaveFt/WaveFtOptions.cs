namespace Peft;

/// <summary>
/// WaveFT (Bilican et al. 2025, arXiv:2505.12532): W + s·ΔW, where ΔW is the inverse wavelet transform of a matrix that is zero except for a few
/// trained coefficients. Mergeable.
/// </summary>
[MethodDescription("WaveFT", "W + s·DWT⁻¹(S), S sparse", "Bilican et al. 2025, arXiv:2505.12532")]
[LearningRate(1e-2)]
[FanInFanOut]
public sealed record WaveFtOptions() : BiasedOptions("WAVEFT")
{
    /// <summary>Number of trained coefficients per weight. Their indices are drawn from the seed.</summary>
    [JsonPropertyName("n_frequency"), AtLeast(1)] public int Coefficients { get; init; } = 2592;

    /// <summary>Counts that override <see cref="Coefficients"/>. A key is the end of a module's path, or a regular expression that matches it.</summary>
    [JsonPropertyName("n_frequency_pattern")] public IReadOnlyDictionary<string, int>? CoefficientsPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>True to distribute the coefficients in proportion to the size of each weight, with <see cref="Coefficients"/> as the average.</summary>
    [JsonPropertyName("proportional_parameters")] public bool IsProportional { get; init; }

    /// <summary>Scaling s of the update.</summary>
    [JsonPropertyName("scaling")] public double Scaling { get; init; } = 25;

    /// <summary>Daubechies wavelet: <c>db1</c> (Haar) to <c>db10</c>.</summary>
    [JsonPropertyName("wavelet_family")] public string Wavelet { get; init; } = "db1";

    /// <summary>True to apply the inverse wavelet transform; false to use the coefficients directly as weight elements.</summary>
    [JsonPropertyName("use_idwt")] public bool Transforms { get; init; } = true;

    /// <summary>Seed of the coefficients' indices. The indices are not saved.</summary>
    [JsonPropertyName("random_loc_seed")] public int Seed { get; init; } = 777;

    /// <summary>True to initialize the adapter as a no-op; false for random values.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; } = true;

    protected override ModuleSelector? DefaultTargets(ModelTree model) => DefaultsFor(model, MethodTargets.Spectral) ?? base.DefaultTargets(model);

    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Peft.Lora.Wavelet.Order(Wavelet) is null) yield return $"Wavelet must be 'db1' to 'db10', but was '{Wavelet}'.";
    }

    protected override (IEnumerable<AdapterLayer> Layers, SharedTensors? Shared) CreateLayers(IReadOnlyList<Target> targets, ModelTree model)
    {
        var all = targets.Sum(target => target.In * target.Out);
        return (targets.Select(target => new WaveFtLayer(target, this, IsProportional
            ? (int)Math.Max(1, (long)Math.Round((double)Coefficients * targets.Count * target.In * target.Out / all))
            : CoefficientsPattern.At(target.Path, Coefficients))), null);
    }
}
