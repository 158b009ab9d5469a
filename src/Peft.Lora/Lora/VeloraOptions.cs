namespace Peft;

/// <summary>
/// Settings of VeLoRA (Miles et al. 2024, arXiv:2405.17991): for A's gradient, training keeps one value per group of input elements instead of all
/// elements. The trained adapter is a plain LoRA. The field <c>velora_config</c> in a file.
/// </summary>
[TypeConverter(typeof(TextConverter<VeloraOptions>))]
public sealed record VeloraOptions
{
    /// <summary>
    /// Direction onto which inputs are projected: <c>batch_average</c> (mean input of each forward pass), <c>batch_average_once</c> (of the first one) or
    /// <c>random</c>.
    /// </summary>
    [JsonPropertyName("init_type")] public string Direction { get; init; } = "batch_average";

    /// <summary>Number of groups that each input is split into. More groups approximate the gradient better and take more memory.</summary>
    [JsonPropertyName("num_groups")] public int Groups { get; init; } = 64;

    /// <summary>Factor on the inputs reconstructed from the projections. Above 0.</summary>
    [JsonPropertyName("scale")] public double Scale { get; init; } = 1;

    internal IEnumerable<string> Errors()
    {
        if (Direction is not ("batch_average" or "batch_average_once" or "random"))
            yield return $"{nameof(LoraOptions.Velora)}.{nameof(Direction)} must be batch_average, batch_average_once or random, but was '{Direction}'.";
        if (Groups < 1) yield return $"{nameof(LoraOptions.Velora)}.{nameof(Groups)} must be at least 1, but was {Groups}.";
        if (!(Scale > 0)) yield return $"{nameof(LoraOptions.Velora)}.{nameof(Scale)} must be above 0, but was {Scale}.";
    }
}
