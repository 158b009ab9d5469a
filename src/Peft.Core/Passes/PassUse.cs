namespace Peft;

/// <summary>What one call of a module sees: the pass that it is a part of, or a pass of its own where the module is called alone.</summary>
/// <param name="state">What acts.</param>
/// <param name="own">The pass of its own.</param>
internal readonly struct PassUse(PassState state, PassLease? own) : IDisposable
{
    public PassState State => state;

    public void Dispose() => own?.Dispose();
}
