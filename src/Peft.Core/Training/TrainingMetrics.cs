using static TorchSharp.torch;

namespace Peft;

/// <summary>Collects metrics of training steps or of an evaluation: weighted means by name.</summary>
/// <remarks>Thread-safe: parts of a batch add to it concurrently.</remarks>
public sealed class TrainingMetrics : IDisposable
{
    private readonly Lock guard = new();
    private readonly Dictionary<string, (Tensor Sum, double Weight)> sums = new(StringComparer.Ordinal);
    private readonly Dictionary<string, double> extremes = new(StringComparer.Ordinal);
    private readonly List<string> order = [];

    /// <summary>Adds a value to the mean of a metric.</summary>
    /// <param name="name">Name of the metric, such as <c>rewards/accuracies</c>.</param>
    /// <param name="value">The value: a scalar, whose gradient is ignored. The caller keeps ownership.</param>
    /// <param name="weight">Weight of the value in the mean, such as the number of rows that it describes; values of weight 0 are ignored.</param>
    public void Add(string name, Tensor value, double weight = 1)
    {
        ArgumentNullException.ThrowIfNull(name);
        TensorRules.RequireAlive(value, nameof(value));
        ArgumentOutOfRangeException.ThrowIfNegative(weight);
        if (weight == 0) return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        var scaled = value.detach().to_type(ScalarType.Float64).reshape([]).mul(Constant(weight));
        lock (guard)
        {
            if (!sums.TryGetValue(name, out var sum))
            {
                order.Add(name);
                sums[name] = (scaled.DetachFromDisposeScope(), weight);
                return;
            }
            sum.Sum.add_(scaled, One);
            sums[name] = sum with { Weight = sum.Weight + weight };
        }
    }

    /// <summary>Adds a number to the mean of a metric.</summary>
    /// <inheritdoc cref="Add(string, Tensor, double)"/>
    public void Add(string name, double value, double weight = 1)
    {
        using var scalar = tensor(value, ScalarType.Float64);
        Add(name, scalar, weight);
    }

    /// <summary>Adds a value to a metric that is the least of its values. NaN is ignored.</summary>
    internal void AddMinimum(string name, double value) => AddExtreme(name, value, Math.Min);

    /// <summary>Adds a value to a metric that is the largest of its values. NaN is ignored.</summary>
    internal void AddMaximum(string name, double value) => AddExtreme(name, value, Math.Max);

    private void AddExtreme(string name, double value, Func<double, double, double> choose)
    {
        if (double.IsNaN(value)) return;
        lock (guard)
        {
            if (!extremes.TryGetValue(name, out var before)) order.Add(name);
            extremes[name] = extremes.ContainsKey(name) ? choose(before, value) : value;
        }
    }

    /// <summary>The means so far, in the order in which the metrics were first added.</summary>
    public IReadOnlyDictionary<string, double> Means()
    {
        lock (guard)
        {
            using var scope = NewDisposeScope();
            return order.ToDictionary(name => name, name => extremes.TryGetValue(name, out var extreme) ? extreme : sums[name].Sum.item<double>() / sums[name].Weight, StringComparer.Ordinal);
        }
    }

    /// <summary>Disposes the collected values.</summary>
    public void Dispose()
    {
        lock (guard)
        {
            foreach (var (sum, _) in sums.Values) sum.Dispose();
            sums.Clear();
            extremes.Clear();
            order.Clear();
        }
    }
}
