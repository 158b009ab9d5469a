using System.ComponentModel;
using System.Text.RegularExpressions;

namespace Peft;

/// <summary>A group of trainable tensors with their own optimizer settings.</summary>
/// <param name="Name">Name of the group in errors and logs.</param>
/// <param name="Matches">Returns true for tensors of the group. If null, <see cref="Pattern"/> decides. A tensor belongs to the first group that matches it.</param>
[TypeConverter(typeof(TextConverter<ParameterGroup>))]
public sealed record ParameterGroup(string Name, Func<TrainableTensor, bool>? Matches = null)
{
    /// <summary>Regular expression that matches a part of the names of the group's tensors (<c>lora_B</c>). Used if <see cref="Matches"/> is null.</summary>
    public string? Pattern { get; init; }

    /// <summary>Factor of the optimizer's learning rate. 1 by default.</summary>
    public double LearningRateScale { get; init; } = 1;

    /// <summary>Learning rate of the group instead of the optimizer's. It is also multiplied by <see cref="LearningRateScale"/> and the schedule.</summary>
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
