namespace Peft;

/// <summary>
/// A pass, or several that belong together, such as those of a generation. All use the same state, and changes of base weights wait for their end.
/// </summary>
internal sealed class PassHandle : IDisposable
{
    private readonly PeftModel model;
    private readonly bool holdsModel;

    /// <summary>Creates a pass, for <see cref="PeftModel.BeginPass()"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="state">The state of the pass, for which <see cref="PassState.Begin"/> has been called.</param>
    /// <param name="scope">The scope in which the pass began.</param>
    /// <param name="holdsModel">True if changes of base weights wait for the pass.</param>
    public PassHandle(PeftModel model, PassState? state, PassScope? scope, bool holdsModel)
    {
        (this.model, this.holdsModel, Scope) = (model, holdsModel, scope);
        State = state!;
        Thread = Environment.CurrentManagedThreadId;
    }

    /// <summary>The state of the pass.</summary>
    public PassState State { get; set; }

    /// <summary>The scope in which the pass began. A scope that is opened within the pass overrides it.</summary>
    public PassScope? Scope { get; }

    public bool HasEnded { get; private set; }

    /// <summary>True if a change of the model waits for passes to end.</summary>
    public bool ChangeWaits => model.ChangeWaits;

    /// <summary>Id of the thread that last used the pass.</summary>
    public int Thread { get; private set; }

    /// <summary>Makes this the current pass of the flow until the result is disposed.</summary>
    public IDisposable Enter()
    {
        Thread = Environment.CurrentManagedThreadId;
        var before = model.Flow;
        model.Flow = new PassFlow(Scope, this);
        return new Exit(this, before);
    }

    /// <summary>Repeats each row of <see cref="PeftModel.Rows"/> and <see cref="PeftModel.Tasks"/>; the copies of a row are adjacent.</summary>
    public void RepeatRows(int copies)
    {
        if (State.Draft.Rows is not null || State.Draft.Tasks is { Count: > 1 }) model.Replace(this, State.Draft.Repeated(copies));
    }

    /// <summary>Creates a pass with the same state that outlives this one, for example to recompute a layer in the backward pass. Changes do not wait for it.</summary>
    public PassHandle Keep()
    {
        model.Begin(State);
        return new PassHandle(model, State, Scope, holdsModel: false);
    }

    public void Dispose()
    {
        if (HasEnded) return;
        HasEnded = true;
        model.End(this, holdsModel);
    }

    private sealed class Exit(PassHandle pass, PassFlow? before) : IDisposable
    {
        // A scope that was opened within the pass and is still open remains in effect.
        public void Dispose()
            => pass.model.Flow = pass.model.Flow is { } now && PassScope.Innermost(now.Scope) != PassScope.Innermost(pass.Scope) ? new PassFlow(now.Scope, before?.Pass) : before;
    }
}
