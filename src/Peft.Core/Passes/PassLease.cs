namespace Peft;

/// <summary>
/// A pass, or several that belong together as those of a generation do: all see one state, and what changes base weights waits for its end.
/// </summary>
internal sealed class PassLease : IDisposable
{
    private readonly PeftModel model;
    private readonly bool holdsModel;

    /// <summary>Made by <see cref="PeftModel.BeginPass()"/>.</summary>
    /// <param name="model">The model.</param>
    /// <param name="state">What acts; begun already.</param>
    /// <param name="scope">The scope that it was begun in.</param>
    /// <param name="holdsModel">Whether changes of base weights wait for it.</param>
    public PassLease(PeftModel model, PassState? state, PassScope? scope, bool holdsModel)
    {
        (this.model, this.holdsModel, Scope) = (model, holdsModel, scope);
        State = state!;
        Thread = Environment.CurrentManagedThreadId;
    }

    /// <summary>What acts.</summary>
    public PassState State { get; set; }

    /// <summary>The scope that it was begun in: one that is opened inside of it says otherwise.</summary>
    public PassScope? Scope { get; }

    public bool HasEnded { get; private set; }

    /// <summary>The thread that has used it last.</summary>
    public int Thread { get; private set; }

    /// <summary>Makes it what the passes of this flow see until the result is disposed.</summary>
    public IDisposable Enter()
    {
        Thread = Environment.CurrentManagedThreadId;
        var before = model.Flow;
        model.Flow = new PassFlow(Scope, this);
        return new Exit(this, before);
    }

    /// <summary>Gives each row of <see cref="PeftModel.Rows"/> and <see cref="PeftModel.Tasks"/> so many copies, one after another.</summary>
    public void RepeatRows(int copies)
    {
        if (State.Draft.Rows is not null || State.Draft.Tasks is { Count: > 1 }) model.Replace(this, State.Draft.Repeated(copies));
    }

    /// <summary>The same state for a pass that comes when this one is over, such as that of a layer that runs again in the backward pass. Nothing waits for it.</summary>
    public PassLease Keep()
    {
        model.Begin(State);
        return new PassLease(model, State, Scope, holdsModel: false);
    }

    public void Dispose()
    {
        if (HasEnded) return;
        HasEnded = true;
        model.End(this, holdsModel);
    }

    private sealed class Exit(PassLease pass, PassFlow? before) : IDisposable
    {
        // A scope that was opened inside and goes on keeps its effect.
        public void Dispose()
            => pass.model.Flow = pass.model.Flow is { } now && PassScope.Innermost(now.Scope) != PassScope.Innermost(pass.Scope) ? new PassFlow(now.Scope, before?.Pass) : before;
    }
}
