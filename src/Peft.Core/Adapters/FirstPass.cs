using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// Shared state of an adapter whose layers need the model's last hidden states before they run (X-LoRA). The model then runs
/// twice, first without adapters and without gradients.
/// </summary>
public interface IReadsFirstPass
{
    /// <summary>Called after the first pass, before the second.</summary>
    /// <param name="states">The last hidden states <c>[batch, positions, hidden]</c>. They must not be kept.</param>
    /// <returns>A scope that is disposed after the second pass.</returns>
    IDisposable Read(Tensor states);
}

/// <summary>The preliminary pass of a model, for adapters that require one (<see cref="IReadsFirstPass"/>).</summary>
public static class FirstPass
{
    [ThreadStatic] private static bool running;

    /// <summary>True while the preliminary pass runs on this thread.</summary>
    public static bool IsRunning => running;

    /// <summary>Disables all layers that do not act in the preliminary pass, until the result is disposed.</summary>
    internal static IDisposable Enter()
    {
        running = true;
        return new Exit();
    }

    private sealed class Exit : IDisposable
    {
        public void Dispose() => running = false;
    }
}
