namespace Peft.Quantization;

/// <summary>Modules with the same input, such as the projections of query, key and value, and what is known of it.</summary>
internal sealed class InputGroup(InputStatistics inputs) : IDisposable
{
    /// <summary>The modules.</summary>
    public List<CalibratedModule> Modules { get; } = [];

    /// <summary>Their input.</summary>
    public InputStatistics Inputs { get; } = inputs;

    public void Dispose() => Inputs.Dispose();
}
