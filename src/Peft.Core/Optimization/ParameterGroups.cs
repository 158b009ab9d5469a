namespace Peft;

/// <summary>Common parameter groups.</summary>
public static class ParameterGroups
{
    /// <summary>No weight decay for biases, normalization weights and all other one-dimensional tensors.</summary>
    public static IReadOnlyList<ParameterGroup> NoDecayForVectors { get; } =
        [new("no decay", tensor => tensor.Value.dim() <= 1) { WeightDecay = 0 }];

    /// <summary>
    /// LoRA+ (Hayou et al. 2024, arXiv:2402.12354): factors B and one-dimensional tensors have a learning rate <paramref name="ratio"/> times higher
    /// than factors A. Biases and normalization weights have no weight decay. Adapters of embeddings have their own learning rate.
    /// These are the same four groups as in <c>create_loraplus_optimizer</c> of Hugging Face PEFT.
    /// </summary>
    /// <param name="ratio">Ratio of the learning rates of B and A. At least 1; the paper recommends 16.</param>
    /// <param name="embeddingLearningRate">Learning rate of <c>lora_embedding_A</c> and <c>lora_embedding_B</c>.</param>
    /// <param name="weightDecay">Weight decay of all groups that have one; if null, that of the optimizer.</param>
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
