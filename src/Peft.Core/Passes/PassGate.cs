namespace Peft;

/// <summary>
/// A readers-writer lock: forward passes run concurrently, and changes of base weights or hooks run exclusively. A change waits for running passes, and passes that
/// begin meanwhile wait for the change.
/// </summary>
internal sealed class PassGate
{
    private readonly object door = new();
    private readonly List<PassHandle> open = [];
    private int waiting;
    private int? changer;   // id of the thread that is making a change

    /// <summary>Enters a pass. A nested pass does not wait, since a change may be waiting for the outer pass.</summary>
    public void Enter(PassHandle pass, bool isNested)
    {
        lock (door)
        {
            while (!isNested && changer != Environment.CurrentManagedThreadId && (changer is not null || waiting > 0)) Monitor.Wait(door);
            open.Add(pass);
        }
    }

    /// <summary>True if a change waits for passes to end.</summary>
    public bool ChangeWaits
    {
        get { lock (door) return waiting > 0; }
    }

    /// <summary>Leaves a pass.</summary>
    public void Leave(PassHandle pass)
    {
        lock (door)
        {
            open.Remove(pass);
            Monitor.PulseAll(door);
        }
    }

    /// <summary>Makes a change while no pass runs.</summary>
    /// <param name="operation">The method that the caller invoked.</param>
    /// <param name="change">The change.</param>
    /// <exception cref="PeftException">A pass or generation of this thread has not ended, so the change would wait forever.</exception>
    public void Change(string operation, Action change)
    {
        lock (door)
        {
            if (changer == Environment.CurrentManagedThreadId)
            {
                change();
                return;
            }
            if (open.Exists(pass => pass.Thread == Environment.CurrentManagedThreadId))
                throw new PeftException($"{operation} waits until no forward pass runs, but this thread is itself in a forward pass, or in a generation whose tokens were not read to the end: finish or dispose it first.");
            waiting++;
            while (changer is not null || open.Count > 0) Monitor.Wait(door);
            waiting--;
            changer = Environment.CurrentManagedThreadId;
        }
        Run(change);
    }

    /// <summary>Makes a change if no pass runs; otherwise returns false without a change.</summary>
    public bool TryChange(Action change)
    {
        lock (door)
        {
            if (changer is not null || open.Count > 0) return false;
            changer = Environment.CurrentManagedThreadId;
        }
        Run(change);
        return true;
    }

    private void Run(Action change)
    {
        try
        {
            change();
        }
        finally
        {
            lock (door)
            {
                changer = null;
                Monitor.PulseAll(door);
            }
        }
    }
}
