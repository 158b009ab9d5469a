using System.ComponentModel;

namespace Peft;

/// <summary>Settings of <see cref="FlatAdamW"/>. The defaults are those of <c>TrainingArguments</c> of Hugging Face transformers.</summary>
[TypeConverter(typeof(TextConverter<AdamWOptions>))]
public sealed record AdamWOptions
{
    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Added to the denominator. 1e-8.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Whether epsilon is added before the bias correction, as LoRA-FA's published optimizer does, and not after it as torch does.</summary>
    public bool EpsilonBeforeCorrection { get; init; }

    /// <summary>Decoupled weight decay per step and unit of learning rate. 0 (PyTorch's own default is 0.01).</summary>
    public double WeightDecay { get; init; }

    /// <summary>Tensors with settings of their own, see <see cref="ParameterGroups"/>. None.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = [];

    internal IEnumerable<string> Errors()
    {
        if (!(Beta1 is >= 0 and < 1)) yield return $"Beta1 must be at least 0 and below 1, but was {Beta1}.";
        if (!(Beta2 is >= 0 and < 1)) yield return $"Beta2 must be at least 0 and below 1, but was {Beta2}.";
        if (!(Epsilon > 0 && double.IsFinite(Epsilon))) yield return $"Epsilon must be above 0, but was {Epsilon}.";
        if (!(WeightDecay >= 0 && double.IsFinite(WeightDecay))) yield return $"WeightDecay must be at least 0, but was {WeightDecay}.";
        foreach (var group in Groups)
        {
            foreach (var error in group.Errors()) yield return error;
            if (!(group.LearningRateScale >= 0 && double.IsFinite(group.LearningRateScale)))
                yield return $"LearningRateScale of group '{group.Name}' must be at least 0, but was {group.LearningRateScale}.";
            if (!((group.LearningRate ?? 0) >= 0)) yield return $"LearningRate of group '{group.Name}' must be at least 0, but was {group.LearningRate}.";
            if (!((group.WeightDecay ?? 0) >= 0)) yield return $"WeightDecay of group '{group.Name}' must be at least 0, but was {group.WeightDecay}.";
        }
    }
}
