using System.Runtime.CompilerServices;
using TorchSharp;

namespace Peft.Models;

/// <summary>One computation at a time for each model, however many clients share it: a model's mode and adapters belong to the one that runs.</summary>
internal static class ModelGate
{
    static readonly ConditionalWeakTable<torch.nn.Module, SemaphoreSlim> Gates = [];

    /// <summary>Waits until the model is free, which it is again once the result is disposed.</summary>
    public static async Task<IDisposable> EnterAsync(torch.nn.Module model, CancellationToken cancellationToken)
    {
        var gate = Gates.GetValue(model, _ => new SemaphoreSlim(1));
        await gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Turn(gate);
    }

    sealed class Turn(SemaphoreSlim gate) : IDisposable
    {
        SemaphoreSlim? held = gate;

        public void Dispose() => Interlocked.Exchange(ref held, null)?.Release();
    }
}
