using static TorchSharp.torch;

namespace Peft.Kernels;

/// <summary>The gradients of the values of a <see cref="StepsNode"/> during its backward pass.</summary>
/// <param name="count">Number of values.</param>
internal sealed class GradientSums(int count)
{
    private readonly Tensor?[] sums = new Tensor?[count];
    private readonly bool[] own = new bool[count];   // true if nothing else uses a sum's memory, so that it can be overwritten

    /// <summary>The gradient of a value; null if there is none.</summary>
    public Tensor? this[int value] => sums[value];

    /// <summary>Adds a gradient of a value, and takes over the tensor.</summary>
    /// <param name="value">Index of the value.</param>
    /// <param name="gradient">The gradient.</param>
    /// <param name="isOwn">True if nothing else uses the tensor's memory.</param>
    public void Add(int value, Tensor gradient, bool isOwn)
    {
        if (sums[value] is not { } sum)
        {
            (sums[value], own[value]) = (gradient, isOwn);
            return;
        }
        var (to, from) = isOwn ? (gradient, sum) : (sum, gradient);
        sums[value] = isOwn || own[value] ? to.add_(from, One) : to.add(from, One);
        own[value] = true;
        from.Dispose();
        if (!ReferenceEquals(sums[value], to)) to.Dispose();
    }

    /// <summary>Takes the gradients of some consecutive values out; null if there are none.</summary>
    public Tensor[]? Take(int first, int number)
    {
        if (sums[first] is null) return null;
        var taken = new Tensor[number];
        for (var i = 0; i < number; i++) (taken[i], sums[first + i]) = (sums[first + i]!, null);
        return taken;
    }
}
