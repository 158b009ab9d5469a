using System.ComponentModel;
using System.Text.Json.Serialization;

namespace Peft;

/// <summary>
/// What makes LoRA VeLoRA (Miles et al. 2024, arXiv:2405.17991): training keeps one number per group of each input's elements for A's gradient instead of all
/// elements. The trained adapter is a plain LoRA. As a file, <c>velora_config</c>.
/// </summary>
[TypeConverter(typeof(TextConverter<VeloraOptions>))]
public sealed record VeloraOptions
{
    /// <summary>Where the direction comes from that inputs are projected on: <c>batch_average</c> (each pass's mean input), <c>batch_average_once</c> (the first pass's) or <c>random</c>.</summary>
    [JsonPropertyName("init_type")] public string Direction { get; init; } = "batch_average";

    /// <summary>Groups that each input is cut into. More give a better gradient and take more memory.</summary>
    [JsonPropertyName("num_groups")] public int Groups { get; init; } = 64;

    /// <summary>Factor on what the projections give back as inputs. Above 0.</summary>
    [JsonPropertyName("scale")] public double Scale { get; init; } = 1;

    internal IEnumerable<string> Errors()
    {
        if (Direction is not ("batch_average" or "batch_average_once" or "random"))
            yield return $"{nameof(LoraOptions.Velora)}.{nameof(Direction)} must be batch_average, batch_average_once or random, but was '{Direction}'.";
        if (Groups < 1) yield return $"{nameof(LoraOptions.Velora)}.{nameof(Groups)} must be at least 1, but was {Groups}.";
        if (!(Scale > 0)) yield return $"{nameof(LoraOptions.Velora)}.{nameof(Scale)} must be above 0, but was {Scale}.";
    }
}
