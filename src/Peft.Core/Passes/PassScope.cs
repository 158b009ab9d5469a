namespace Peft;

/// <summary>
/// A temporary setting of passes, such as <see cref="PeftModel.Rows"/>. The scopes of a flow form a chain, and the state follows from all scopes of the chain that
/// have not ended. They can therefore end in any order, without restoring anything.
/// </summary>
internal sealed class PassScope : IDisposable
{
    private readonly PeftModel model;
    private readonly Action<PassBuilder> configure;
    private PassState? known;
    private (int Model, int Chain) knownAt;

    /// <param name="model">The model.</param>
    /// <param name="kind">The member that opened the scope, for error messages.</param>
    /// <param name="outer">The enclosing scope.</param>
    /// <param name="named">Adapters that the scope uses; they are kept alive until it ends.</param>
    /// <param name="configure">Applies the settings of the scope to a draft.</param>
    public PassScope(PeftModel model, string kind, PassScope? outer, IReadOnlyList<Adapter> named, Action<PassBuilder> configure)
    {
        (this.model, Kind, Outer, Named, this.configure) = (model, kind, outer, named, configure);
        Ended = outer?.Ended ?? new();
        foreach (var adapter in named) adapter.Retain();
    }

    public string Kind { get; }

    public PassScope? Outer { get; }

    /// <summary>Adapters that the scope uses.</summary>
    public IReadOnlyList<Adapter> Named { get; }

    public bool HasEnded { get; private set; }

    /// <summary>Number of scopes that have ended in the chain and its branches.</summary>
    private Counter Ended { get; }

    /// <summary>Finds the innermost scope of a chain that has not ended.</summary>
    public static PassScope? Innermost(PassScope? scope)
    {
        while (scope is { HasEnded: true }) scope = scope.Outer;
        return scope;
    }

    /// <summary>Returns the state within the scope. The caller holds the model's lock.</summary>
    /// <param name="version">Version of the model: the number of its changes so far.</param>
    public PassState State(int version)
    {
        if (known is not null && knownAt == (version, Ended.Value)) return known;
        var draft = model.Draft();
        Configure(draft);
        var state = new PassState(model, draft);
        known?.Release();
        (known, knownAt) = (state, (version, Ended.Value));
        return state;
    }

    private void Configure(PassBuilder draft)
    {
        Outer?.Configure(draft);
        if (!HasEnded) configure(draft);
    }

    public void Dispose() => model.End(this);

    /// <summary>Ends the scope. The caller holds the model's lock.</summary>
    /// <returns>False if the scope had already ended.</returns>
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
