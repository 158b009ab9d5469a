using static TorchSharp.torch;

namespace Peft;

/// <summary>
/// What the layers of an adapter share, where it must know the model's last hidden states before the layers run (X-LoRA): the model then runs
/// twice, first without adapters and without gradients.
/// </summary>
public interface IReadsFirstPass
{
    /// <summary>Called after the first pass, before the second.</summary>
    /// <param name="states">The last hidden states <c>[batch, positions, hidden]</c>, which must not be kept.</param>
    /// <returns>Disposed when the second pass is over.</returns>
    IDisposable Read(Tensor states);
}

/// <summary>The pass that a model makes before its own, for adapters that ask for it (<see cref="IReadsFirstPass"/>).</summary>
public static class FirstPass
{
    [ThreadStatic] private static bool running;

    /// <summary>Whether it runs on this thread.</summary>
    public static bool IsRunning => running;

    /// <summary>Leaves out all layers but those that act in it until the result is disposed.</summary>
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
