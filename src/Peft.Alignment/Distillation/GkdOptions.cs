namespace Peft;

/// <summary>Settings of <see cref="GkdObjective"/>. The defaults are TRL's.</summary>
public sealed record GkdOptions
{
    /// <summary>β of the divergence, in [0, 1]: 0 for the forward divergence KL(teacher‖student), 1 for the reverse one. 0.5 by default.</summary>
    public double Beta { get; init; } = 0.5;

    /// <summary>λ: fraction of batches whose completions the student generates (on-policy). 0.5 by default.</summary>
    public double Lambda { get; init; } = 0.5;

    /// <summary>True to have the teacher generate the completions of the other batches (sequence-level distillation). False by default.</summary>
    public bool SequenceLevel { get; init; }

    /// <summary>Temperature of generation; the divergence is taken at temperature 1. 0.9 by default.</summary>
    public double Temperature { get; init; } = 0.9;

    /// <summary>Maximum number of tokens of a generated completion. 128 by default.</summary>
    public int MaxNewTokens { get; init; } = 128;

    /// <summary>Reasons that the options cannot be used; empty if they can.</summary>
    internal IEnumerable<string> Errors()
    {
        if (Beta is not (>= 0 and <= 1)) yield return $"Beta must be in [0, 1], but was {Beta}.";
        if (Lambda is not (>= 0 and <= 1)) yield return $"Lambda must be in [0, 1], but was {Lambda}.";
        if (!(Temperature > 0 && double.IsFinite(Temperature))) yield return $"Temperature must be above 0, but was {Temperature}.";
        if (MaxNewTokens < 1) yield return $"MaxNewTokens must be 1 or more, but was {MaxNewTokens}.";
    }
}
