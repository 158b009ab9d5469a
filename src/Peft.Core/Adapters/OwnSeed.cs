using TorchSharp;
using static TorchSharp.torch;

namespace Peft;

/// <summary>While it lives, torch draws from a seed; afterwards its generator on the CPU goes on as if nothing had been drawn.</summary>
internal sealed class OwnSeed : IDisposable
{
    private readonly Tensor? before;

    /// <param name="seed">The seed; null to leave the generator as it is.</param>
    public OwnSeed(int? seed)
    {
        if (seed is not { } number) return;
        before = get_rng_state().DetachFromDisposeScope();
        manual_seed(number);
    }

    public void Dispose()
    {
        if (before is null) return;
        set_rng_state(before);
        before.Dispose();
    }
}
