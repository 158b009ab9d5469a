namespace Peft;

/// <summary>
/// Something that is said about passes for a while, such as <see cref="PeftModel.Rows"/>. Scopes of one flow form a chain; what is in effect follows
/// from all of the chain that have not ended, so that they may end in any order and none has anything to restore.
/// </summary>
internal sealed class PassScope : IDisposable
{
    private readonly PeftModel model;
    private readonly Action<PassDraft> say;
    private PassState? known;
    private (int Model, int Chain) knownAt;

    /// <param name="model">The model.</param>
    /// <param name="kind">The member that opened it, for messages.</param>
    /// <param name="outer">The scope around it.</param>
    /// <param name="named">Adapters that it names, which live on until it ends.</param>
    /// <param name="say">What it says.</param>
    public PassScope(PeftModel model, string kind, PassScope? outer, IReadOnlyList<Adapter> named, Action<PassDraft> say)
    {
        (this.model, Kind, Outer, Named, this.say) = (model, kind, outer, named, say);
        Ended = outer?.Ended ?? new();
        foreach (var adapter in named) adapter.Retain();
    }

    public string Kind { get; }

    public PassScope? Outer { get; }

    /// <summary>Adapters that it names.</summary>
    public IReadOnlyList<Adapter> Named { get; }

    public bool HasEnded { get; private set; }

    /// <summary>How many scopes of the chain, and of those that branch off it, have ended.</summary>
    private Counter Ended { get; }

    /// <summary>The innermost of a chain that has not ended.</summary>
    public static PassScope? Innermost(PassScope? scope)
    {
        while (scope is { HasEnded: true }) scope = scope.Outer;
        return scope;
    }

    /// <summary>What is in effect inside; the caller has the model's lock.</summary>
    /// <param name="version">Number of the model's last change.</param>
    public PassState State(int version)
    {
        if (known is not null && knownAt == (version, Ended.Value)) return known;
        var draft = model.Draft();
        Say(draft);
        var state = new PassState(model, draft);
        known?.Release();
        (known, knownAt) = (state, (version, Ended.Value));
        return state;
    }

    private void Say(PassDraft draft)
    {
        Outer?.Say(draft);
        if (!HasEnded) say(draft);
    }

    public void Dispose() => model.End(this);

    /// <summary>Ends it; the caller has the model's lock.</summary>
    /// <returns>Whether it had not ended before.</returns>
    public bool End()
    {
        if (HasEnded) return false;
        HasEnded = true;
        Ended.Value++;
        known?.Release();
        known = null;
        foreach (var adapter in Named) adapter.Release();
        return true;
    }

    private sealed class Counter
    {
        public int Value { get; set; }
    }
}
