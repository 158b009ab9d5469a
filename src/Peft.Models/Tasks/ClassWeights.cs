namespace Peft.Models;

/// <summary>Weights of classes in the loss (<see cref="ClassifyingModel.ClassWeights"/>).</summary>
public static class ClassWeights
{
    private const int MaxClasses = 1 << 24;

    /// <summary>Weights that balance the classes: n/(k·nᵢ) for class i with nᵢ of the n labels, where k is the number of classes; 0 for a class without labels.</summary>
    /// <param name="labels">The labels of the training data. <see cref="Batch.IgnoredLabel"/> is not counted.</param>
    /// <param name="classes">Number of classes.</param>
    /// <exception cref="ArgumentException">There are no labels, or one is not a class.</exception>
    public static IReadOnlyList<double> Balanced(IEnumerable<long> labels, int classes)
    {
        ArgumentNullException.ThrowIfNull(labels);
        ArgumentOutOfRangeException.ThrowIfLessThan(classes, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(classes, MaxClasses);
        var counts = new long[classes];
        foreach (var label in labels)
        {
            if (label == Batch.IgnoredLabel) continue;
            if (label < 0 || label >= classes) throw new ArgumentException($"The label {label} is not one of the classes 0 to {classes - 1}.", nameof(labels));
            counts[label]++;
        }
        var total = counts.Sum();
        if (total == 0) throw new ArgumentException("There are no labels to count: pass those of the training data.", nameof(labels));
        return [.. counts.Select(count => count == 0 ? 0 : (double)total / classes / count)];
    }
}
