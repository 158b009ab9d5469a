using System.Globalization;

namespace Peft;

/// <summary>Number of a model's parameters, and how many of them are trainable.</summary>
/// <param name="Trainable">Number of trainable parameters.</param>
/// <param name="All">Number of all parameters, including those of the base model.</param>
public sealed record ParameterCount(long Trainable, long All)
{
    /// <inheritdoc/>
    public override string ToString()
        => string.Create(CultureInfo.InvariantCulture, $"trainable: {Trainable:N0} || all: {All:N0} || {100.0 * Trainable / Math.Max(1, All):0.####}%");
}
