namespace Peft.Kernels;

/// <summary>A value of <see cref="NodeSteps"/>: an input or an output of a step.</summary>
/// <param name="learns">True if it requires a gradient.</param>
/// <param name="producer">Index of the step that computes it; −1 for an input.</param>
internal sealed class NodeValue(bool learns, int producer)
{
    /// <summary>True if it requires a gradient.</summary>
    public bool Learns { get; } = learns;

    /// <summary>Index of the step that computes it; −1 for an input.</summary>
    public int Producer { get; } = producer;

    /// <summary>Index of the first step that reads it; <see cref="int.MaxValue"/> if none does.</summary>
    public int FirstUse { get; private set; } = int.MaxValue;

    /// <summary>Index of the last step that reads it; −1 if none does.</summary>
    public int LastUse { get; private set; } = -1;

    /// <summary>Records that a step reads it. Steps come in order.</summary>
    public void AddUse(int step) => (FirstUse, LastUse) = (Math.Min(FirstUse, step), step);
}
