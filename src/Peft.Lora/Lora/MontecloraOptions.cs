namespace Peft;

/// <summary>
/// Settings of MonteCLoRA (Sengupta et al. 2024, arXiv:2411.04358): training adds noise with a trained variance to A, which makes the adapter more robust and
/// better calibrated. The trained adapter is a plain LoRA. The field <c>monteclora_config</c> in a file.
/// </summary>
[TypeConverter(typeof(TextConverter<MontecloraOptions>))]
public sealed record MontecloraOptions
{
    /// <summary>Number of samples that Hugging Face PEFT draws in advance. Here each forward pass draws its own, which needs no buffer.</summary>
    [JsonPropertyName("buffer_size")] public int BufferSize { get; init; } = 150;

    /// <summary>Concentration of the Dirichlet prior over the sample weights: a larger value makes the weights more equal. Above 0.</summary>
    [JsonPropertyName("dirichlet_prior")] public double DirichletPrior { get; init; } = 0.1;

    /// <summary>Weight of the KL divergence from the priors in the training loss.</summary>
    [JsonPropertyName("kl_loss_weight")] public double DivergenceWeight { get; init; } = 1e-5;

    /// <summary>Number of samples per forward pass. At least 1.</summary>
    [JsonPropertyName("num_samples")] public int Samples { get; init; } = 8;

    /// <summary>Scale ε of the noise.</summary>
    [JsonPropertyName("sample_scaler")] public double NoiseScale { get; init; } = 1e-4;

    /// <summary>True to add the sum of the squared sample weights to the training loss, which prevents one sample from dominating.</summary>
    [JsonPropertyName("use_entropy")] public bool UseEntropy { get; init; }

    internal IEnumerable<string> Errors()
    {
        if (Samples < 1) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(Samples)} must be at least 1, but was {Samples}.";
        if (BufferSize < 1) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(BufferSize)} must be at least 1, but was {BufferSize}.";
        if (!(DirichletPrior > 0)) yield return $"{nameof(LoraOptions.Monteclora)}.{nameof(DirichletPrior)} must be above 0, but was {DirichletPrior}.";
    }
}
