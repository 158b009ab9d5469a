using System.ComponentModel;

namespace Peft;

/// <summary>Settings of <see cref="FlatAdamW"/>. The defaults are those of <c>TrainingArguments</c> of Hugging Face transformers.</summary>
[TypeConverter(typeof(TextConverter<AdamWOptions>))]
public sealed record AdamWOptions
{
    /// <summary>Decay of the running mean of gradients, in [0, 1). 0.9 by default.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of the running mean of squared gradients, in [0, 1). 0.999 by default.</summary>
    public double Beta2 { get; init; } = 0.999;

    /// <summary>Term added to the denominator. 1e-8 by default.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>True to add epsilon before the bias correction, as LoRA-FA's published optimizer does; false to add it after, as torch does.</summary>
    public bool EpsilonBeforeCorrection { get; init; }

    /// <summary>Decoupled weight decay per step, multiplied by the learning rate. 0 by default (PyTorch's default is 0.01).</summary>
    public double WeightDecay { get; init; }

    /// <summary>Groups of tensors with their own settings, see <see cref="ParameterGroups"/>. None by default.</summary>
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
