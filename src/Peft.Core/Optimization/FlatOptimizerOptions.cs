using System.ComponentModel;

namespace Peft;

/// <summary>Options of an optimizer. Their type selects the optimizer: <see cref="AdamWOptions"/> and others. In a settings file, a name such as <c>lion</c>.</summary>
[TypeConverter(typeof(OptimizerText))]
public abstract record FlatOptimizerOptions
{
    /// <summary>Weight decay per step, multiplied by the learning rate and decoupled from the gradient. 0 by default.</summary>
    public double WeightDecay { get; init; }

    /// <summary>Groups of tensors with their own settings (<see cref="ParameterGroups"/>). None by default.</summary>
    public IReadOnlyList<ParameterGroup> Groups { get; init; } = [];

    /// <summary>Creates the optimizer.</summary>
    /// <param name="parameters">The parameters to optimize, created with <see cref="Groups"/>. The optimizer does not own them.</param>
    /// <param name="learningRate">Learning rate before the schedule.</param>
    /// <exception cref="ArgumentException">A setting is out of range; the message lists all errors.</exception>
    public abstract FlatOptimizer Create(FlatParameters parameters, double learningRate);

    /// <summary>True if the state is in files.</summary>
    internal virtual bool IsPaged => false;

    /// <summary>Settings that are out of range.</summary>
    internal virtual IEnumerable<string> Errors()
    {
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

    // The error of the decay of a running mean; null if it is valid.
    private protected static string? DecayError(string name, double value) => value is >= 0 and < 1 ? null : $"{name} must be at least 0 and below 1, but was {value}.";

    private protected static string? PositiveError(string name, double value) => value > 0 && double.IsFinite(value) ? null : $"{name} must be above 0, but was {value}.";

    private protected static string? PageError(bool paged, string? folder)
        => folder is null ? null : folder.Trim().Length == 0 ? "PageFolder is empty: set a folder, or leave it null." : paged ? null : $"PageFolder '{folder}' has an effect only with Paged: set Paged, or leave PageFolder null.";

    private protected static string? CountError(string name, int value) => value >= 1 ? null : $"{name} must be at least 1, but was {value}.";
}
