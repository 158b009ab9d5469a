using System.Collections;
using System.Globalization;
using System.Runtime.CompilerServices;

namespace Peft;

/// <summary>A setting that has one value, or one for each epoch: <c>Beta = 0.1</c> or <c>Beta = [0.5, 0.2, 0.1]</c>. Later epochs have the last value.</summary>
[CollectionBuilder(typeof(PerEpoch), nameof(Of))]
public sealed class PerEpoch : IEnumerable<double>, IEquatable<PerEpoch>
{
    private readonly double[] values;

    private PerEpoch(ReadOnlySpan<double> values)
        => this.values = values.IsEmpty ? throw new ArgumentException("A setting that has a value for each epoch needs one at least.", nameof(values)) : values.ToArray();

    /// <summary>The values of the first epochs.</summary>
    /// <param name="values">At least one.</param>
    /// <exception cref="ArgumentException">There are none.</exception>
    public static PerEpoch Of(ReadOnlySpan<double> values) => new(values);

    /// <summary>The same value in every epoch.</summary>
    public static implicit operator PerEpoch(double value) => new([value]);

    /// <summary>The value of an epoch.</summary>
    /// <param name="epoch">Index of the epoch, from 0.</param>
    public double this[int epoch] => values[Math.Min(epoch, values.Length - 1)];

    /// <inheritdoc/>
    public IEnumerator<double> GetEnumerator() => ((IEnumerable<double>)values).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <inheritdoc/>
    public bool Equals(PerEpoch? other) => other is not null && values.AsSpan().SequenceEqual(other.values);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as PerEpoch);

    /// <inheritdoc/>
    public override int GetHashCode() => values.Aggregate(0, HashCode.Combine);

    /// <inheritdoc/>
    public override string ToString() => string.Join(", ", values.Select(value => value.ToString(CultureInfo.InvariantCulture)));
}
