using static TorchSharp.torch;

namespace Peft.Quantization;

/// <summary>Runs the samples: through one layer after another, whose states are kept, or through the whole model.</summary>
internal sealed class CalibrationPasses(IReadOnlyList<CalibrationSample> samples, ILayeredModel? layered, CancellationToken cancellationToken) : IDisposable
{
    private readonly Tensor?[] states = new Tensor?[samples.Count];

    /// <summary>The layer that runs; null for the whole model.</summary>
    public int? Layer { get; set; }

    /// <summary>Runs all samples.</summary>
    /// <param name="begin">Called before each with its index and mask.</param>
    public void Run(Action<int, Tensor?> begin)
    {
        for (var i = 0; i < samples.Count; i++)
        {
            using var scope = NewDisposeScope();
            begin(i, samples[i].Mask());
            Run(i, _ => { });
        }
    }

    /// <summary>Runs all samples through the layer, and keeps its outputs as the inputs of the next.</summary>
    public void Advance()
    {
        for (var i = 0; i < samples.Count; i++)
        {
            var index = i;
            Run(i, output =>
            {
                states[index]?.Dispose();
                states[index] = output.DetachFromDisposeScope();
            });
        }
        Layer++;
    }

    private void Run(int index, Action<Tensor> keep)
    {
        cancellationToken.ThrowIfCancellationRequested();
        using var scope = NewDisposeScope();
        using var apart = Layer is { } layer ? layered!.RunOnly(layer, states[index], output =>
        {
            keep(output);
            throw new PassEnded();
        }) : null;
        try
        {
            samples[index].Run();
        }
        catch (PassEnded)
        {
            // All requested inputs have been seen.
        }
    }

    public void Dispose()
    {
        foreach (var state in states) state?.Dispose();
    }
}
