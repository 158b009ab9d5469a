using System.Runtime.CompilerServices;
using TorchSharp;

namespace Peft.Models;

/// <summary>Lets only one computation at a time use a model, because clients that share it also share its mode and adapters.</summary>
internal static class ModelGate
{
    private static readonly ConditionalWeakTable<torch.nn.Module, SemaphoreSlim> Gates = [];

    /// <summary>Waits until the model is free, and reserves it until the result is disposed.</summary>
    public static async Task<IDisposable> EnterAsync(torch.nn.Module model, CancellationToken cancellationToken)
    {
        var gate = Gates.GetValue(model, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(gate);
    }

    private sealed class Turn(SemaphoreSlim gate) : IDisposable
    {
        private SemaphoreSlim? held = gate;

        public void Dispose() => Interlocked.Exchange(ref held, null)?.Release();
    }
}
