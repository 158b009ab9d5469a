using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>Seeds torch's random generator until disposal, which restores the previous state of the CPU generator.</summary>
internal sealed class OwnSeed : IDisposable
{
    private readonly Tensor? before;

    /// <param name="seed">The seed; null leaves the generator unchanged.</param>
    public OwnSeed(int? seed)
    {
        if (seed is not { } number) return;
        before = RandomState.Get().DetachFromDisposeScope();
        manual_seed(number);
    }

    public void Dispose()
    {
        if (before is null) return;
        RandomState.Set(before);
        before.Dispose();
    }
}
