using static TorchSharp.torch;

namespace Peft;

/// <summary>Collects metrics of training steps or an evaluation as weighted means by name.</summary>
/// <remarks>Thread-safe: parts of a batch add to it concurrently.</remarks>
public sealed class TrainingMetrics : IDisposable
{
    private readonly Lock guard = new();
    private readonly Dictionary<string, Entry> entries = new(StringComparer.Ordinal);
    private readonly List<string> order = [];
    private readonly SortedDictionary<string, List<string>> samples = new(StringComparer.Ordinal);

    /// <summary>Adds a value to the mean of a metric.</summary>
    /// <param name="name">Name of the metric, such as <c>rewards/accuracies</c>.</param>
    /// <param name="value">The value, a scalar. Its gradient is ignored. The caller keeps ownership.</param>
    /// <param name="weight">Weight of the value in the mean, such as its number of rows. Values with weight 0 are ignored.</param>
    /// <exception cref="ArgumentException">The value is not a single real number.</exception>
    public void Add(string name, Tensor value, double weight = 1)
    {
        if (TensorRules.RequireAlive(value, nameof(value)).numel() != 1 || value.is_complex()) throw new ArgumentException($"The value of the metric {name} is {TensorRules.Describe(value)}, but must be a single real number.", nameof(value));
        Combine(name, value, weight, each => each.reshape([]).mul(Constant(weight)), (a, b) => a.add(b, One), (sum, total) => sum.item<double>() / total);
    }

    /// <summary>Adds a number to the mean of a metric.</summary>
    /// <inheritdoc cref="Add(string, Tensor, double)"/>
    public void Add(string name, double value, double weight = 1)
    {
        using var scalar = tensor(value, ScalarType.Float64);
        Add(name, scalar, weight);
    }

    /// <summary>Adds values to a metric that is a function of weighted means, such as a calibration error.</summary>
    /// <param name="name">Name of the metric.</param>
    /// <param name="values">The values, of the same shape in each call.</param>
    /// <param name="weight">Weight of the values in the means.</param>
    /// <param name="metric">The metric, a scalar, from the means; null if there is none.</param>
    internal void AddTo(string name, Tensor values, double weight, Func<Tensor, Tensor?> metric)
        => Combine(name, values, weight, each => each.mul(Constant(weight)), (a, b) => a.add(b, One), (sum, total) => metric(sum.div(Constant(total)))?.item<double>());

    /// <summary>Adds a value to a metric that is the minimum of its values.</summary>
    internal void AddMinimum(string name, Tensor value) => Combine(name, value, 1, each => each.reshape([]).clone(), (a, b) => a.minimum(b), (minimum, _) => minimum.item<double>());

    /// <summary>Adds a value to a metric that is the maximum of its values.</summary>
    internal void AddMaximum(string name, Tensor value) => Combine(name, value, 1, each => each.reshape([]).clone(), (a, b) => a.maximum(b), (maximum, _) => maximum.item<double>());

    /// <summary>Adds a number to a metric that is the minimum of its values. NaN is ignored.</summary>
    internal void AddMinimum(string name, double value) => AddNumber(value, each => AddMinimum(name, each));

    /// <summary>Adds a number to a metric that is the maximum of its values. NaN is ignored.</summary>
    internal void AddMaximum(string name, double value) => AddNumber(value, each => AddMaximum(name, each));

    private static void AddNumber(double value, Action<Tensor> add)
    {
        if (double.IsNaN(value)) return;
        using var scalar = tensor(value, ScalarType.Float64);
        add(scalar);
    }

    /// <summary>Adds a text for readers, such as a completion.</summary>
    /// <param name="name">Name of its list, such as <c>completions</c>.</param>
    /// <param name="text">The text.</param>
    public void AddSample(string name, string text)
    {
        ArgumentNullException.ThrowIfNull(name);
        ArgumentNullException.ThrowIfNull(text);
        lock (guard)
        {
            if (!samples.TryGetValue(name, out var texts)) samples[name] = texts = [];
            texts.Add(text);
        }
    }

    /// <summary>Returns the texts so far, by the name of their list.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<string>> Samples()
    {
        lock (guard) return samples.ToDictionary(pair => pair.Key, IReadOnlyList<string> (pair) => [.. pair.Value], StringComparer.Ordinal);
    }

    /// <summary>Computes the metrics so far, in the order in which they were first added.</summary>
    public IReadOnlyDictionary<string, double> Means()
    {
        lock (guard)
        {
            using var scope = NewDisposeScope();
            var metrics = order.Select(name => (Name: name, Value: entries[name].Metric(entries[name].Value, entries[name].Weight)));
            return metrics.Where(metric => metric.Value is not null).ToDictionary(metric => metric.Name, metric => metric.Value!.Value, StringComparer.Ordinal);
        }
    }

    /// <summary>Disposes the collected values.</summary>
    public void Dispose()
    {
        lock (guard)
        {
            foreach (var entry in entries.Values) entry.Value.Dispose();
            entries.Clear();
            samples.Clear();
            order.Clear();
        }
    }

    private void Combine(string name, Tensor value, double weight, Func<Tensor, Tensor> first, Func<Tensor, Tensor, Tensor> combine, Func<Tensor, double, double?> metric)
    {
        ArgumentNullException.ThrowIfNull(name);
        TensorRules.RequireAlive(value, nameof(value));
        ArgumentOutOfRangeException.ThrowIfNegative(weight);
        if (weight == 0) return;
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        lock (guard) Put(name, new(first(value.detach().to_type(ScalarType.Float64)).DetachFromDisposeScope(), weight, combine, metric));
    }

    /// <summary>Moves everything that another instance has collected to this one.</summary>
    internal void Take(TrainingMetrics other)
    {
        using var scope = NewDisposeScope();
        using var _ = no_grad();
        lock (guard)
        {
            foreach (var name in other.order) Put(name, other.entries[name]);
            foreach (var (name, texts) in other.samples)
                if (!samples.TryAdd(name, texts)) samples[name].AddRange(texts);
        }
        other.entries.Clear();
        other.samples.Clear();
        other.order.Clear();
    }

    private void Put(string name, Entry added)
    {
        if (!entries.TryGetValue(name, out var before))
        {
            order.Add(name);
            entries[name] = added;
            return;
        }
        using var left = before.Value;
        using var right = added.Value;
        entries[name] = before with { Value = before.Combine(left, right).DetachFromDisposeScope(), Weight = before.Weight + added.Weight };
    }

    private sealed record Entry(Tensor Value, double Weight, Func<Tensor, Tensor, Tensor> Combine, Func<Tensor, double, double?> Metric);
}
