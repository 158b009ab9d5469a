namespace Peft;

/// <summary>The state that one module call uses: that of the surrounding pass, or of a new pass if there is none.</summary>
/// <param name="state">The state.</param>
/// <param name="own">The new pass, if there is one.</param>
internal readonly struct PassUse(PassState state, PassHandle? own) : IDisposable
{
    public PassState State => state;

    /// <summary>True if the state is only used by this call.</summary>
    public bool IsOwn => own is not null;

    public void Dispose() => own?.Dispose();
}
