using System.ComponentModel;
using System.Text.RegularExpressions;

namespace Peft;

/// <summary>A group of trainable tensors with their own optimizer settings.</summary>
/// <param name="Name">Name of the group in errors and logs.</param>
/// <param name="Matches">True for tensors of the group; if null, <see cref="Pattern"/> decides. A tensor belongs to the first group that matches it.</param>
[TypeConverter(typeof(TextConverter<ParameterGroup>))]
public sealed record ParameterGroup(string Name, Func<TrainableTensor, bool>? Matches = null)
{
    /// <summary>Regular expression that matches a part of the names of the group's tensors (<c>lora_B</c>). Used if <see cref="Matches"/> is null.</summary>
    public string? Pattern { get; init; }

    /// <summary>Factor of the optimizer's learning rate. 1 by default.</summary>
    public double LearningRateScale { get; init; } = 1;

    /// <summary>Learning rate of the group in place of the optimizer's. It is also multiplied by <see cref="LearningRateScale"/> and the schedule.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Decoupled weight decay of the group; if null, that of the optimizer.</summary>
    public double? WeightDecay { get; init; }

    /// <summary>True if a tensor belongs to the group.</summary>
    internal bool Has(TrainableTensor tensor)
        => Matches?.Invoke(tensor) ?? Regex.IsMatch(tensor.Name, Pattern!, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1));

    internal IEnumerable<string> Errors()
    {
        if (Matches is null == Pattern is null) yield return $"The group '{Name}' needs either a function or a Pattern that selects its tensors.";
        if (Pattern is not null && !IsExpression(Pattern)) yield return $"Pattern of group '{Name}' must be a regular expression, but was '{Pattern}'.";
    }

    private static bool IsExpression(string pattern)
    {
        try
        {
            return pattern.Length > 0 && new Regex(pattern, RegexOptions.CultureInvariant, TimeSpan.FromSeconds(1)) is not null;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}

/// <summary>Common parameter groups.</summary>
public static class ParameterGroups
{
    /// <summary>No weight decay for biases, normalization weights and all other one-dimensional tensors.</summary>
    public static IReadOnlyList<ParameterGroup> NoDecayForVectors { get; } =
        [new("no decay", tensor => tensor.Value.dim() <= 1) { WeightDecay = 0 }];

    /// <summary>
    /// LoRA+ (Hayou et al. 2024, arXiv:2402.12354): factors B and one-dimensional tensors have a <paramref name="ratio"/> times higher learning rate
    /// than factors A. Biases and normalization weights among them have no weight decay. Adapters of embeddings have their own learning rate.
    /// These are the same four groups as in <c>create_loraplus_optimizer</c> of Hugging Face PEFT.
    /// </summary>
    /// <param name="ratio">Ratio of the learning rates of B and A. At least 1; the paper recommends 16.</param>
    /// <param name="embeddingLearningRate">Learning rate of <c>lora_embedding_A</c> and <c>lora_embedding_B</c>.</param>
    /// <param name="weightDecay">Weight decay of all groups with decay; if null, that of the optimizer.</param>
    /// <exception cref="ArgumentOutOfRangeException">The ratio is not a positive number, or the rate or decay is negative.</exception>
    public static IReadOnlyList<ParameterGroup> LoraPlus(double ratio, double embeddingLearningRate = 1e-6, double? weightDecay = null)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(ratio);
        ArgumentOutOfRangeException.ThrowIfNegative(embeddingLearningRate);
        ArgumentOutOfRangeException.ThrowIfNegative(weightDecay ?? 0);
        return
        [
            new("embedding", tensor => Has(tensor, "lora_embedding_")) { LearningRate = embeddingLearningRate, WeightDecay = weightDecay },
            new("B without decay", tensor => IsFast(tensor) && IsBiasOrNorm(tensor)) { LearningRateScale = ratio, WeightDecay = 0 },
            new("B", IsFast) { LearningRateScale = ratio, WeightDecay = weightDecay },
            new("A", _ => true) { WeightDecay = weightDecay },
        ];
    }

    private static bool IsFast(TrainableTensor tensor) => Has(tensor, "lora_B") || tensor.Value.dim() == 1;

    private static bool IsBiasOrNorm(TrainableTensor tensor)
        => Has(tensor, "bias") || (tensor.Value.dim() == 1 && tensor.Name.Contains("norm", StringComparison.OrdinalIgnoreCase));

    private static bool Has(TrainableTensor tensor, string part) => tensor.Name.Contains(part, StringComparison.Ordinal);
}
