using System.Text.Json.Serialization;
using Peft.Lora;

namespace Peft;

/// <summary>FourierFT (Gao et al. 2024, arXiv:2405.03003): W + s·Re(F⁻¹(S)), with a spectrum S that is zero but for some trained coefficients. Merges.</summary>
[MethodDescription("FourierFT", "W + s·Re(F⁻¹(S)), S sparse", "Gao et al. 2024, arXiv:2405.03003")]
[LearningRate(3e-2)]
public sealed record FourierFtOptions() : BiasedUpdateOptions("FOURIERFT")
{
    /// <summary>Trained coefficients per weight, at places that the seed gives.</summary>
    [JsonPropertyName("n_frequency")] public int Frequencies { get; init; } = 1000;

    /// <summary>Numbers that differ from <see cref="Frequencies"/>, by the last parts of a module's path or a regular expression for them.</summary>
    [JsonPropertyName("n_frequency_pattern")] public IReadOnlyDictionary<string, int>? FrequenciesPattern { get; init; } = new Dictionary<string, int>();

    /// <summary>Strength s of the update.</summary>
    [JsonPropertyName("scaling")] public double Scaling { get; init; } = 150;

    /// <summary>Seed of the places. The file does not hold them.</summary>
    [JsonPropertyName("random_loc_seed")] public int? Seed { get; init; } = 777;

    /// <summary>Whether the adapter starts as none; false (Hugging Face's default) for a random spectrum.</summary>
    [JsonPropertyName("init_weights")] public bool InitWeights { get; init; }

    /// <inheritdoc/>
    protected override IEnumerable<string> Errors()
    {
        foreach (var error in base.Errors()) yield return error;
        if (Frequencies < 1) yield return $"Frequencies must be at least 1, but was {Frequencies}.";
    }

    /// <inheritdoc/>
    protected override AdapterLayer CreateLayer(Target target) => new FourierFtLayer(target, this);
}
