namespace Peft;

/// <summary>
/// Forward passes run beside each other. What changes base weights or hooks runs alone: it waits for the passes that run, and passes that
/// come meanwhile wait for it.
/// </summary>
internal sealed class PassGate
{
    private readonly object door = new();
    private readonly List<PassLease> open = [];
    private int waiting;
    private int? changer;   // the thread that changes something

    /// <summary>Lets a pass in. One inside of another that is in already does not wait, since the change may wait for that one.</summary>
    public void Enter(PassLease pass, bool isNested)
    {
        lock (door)
        {
            while (!isNested && changer != Environment.CurrentManagedThreadId && (changer is not null || waiting > 0)) Monitor.Wait(door);
            open.Add(pass);
        }
    }

    /// <summary>Says that a pass is over.</summary>
    public void Leave(PassLease pass)
    {
        lock (door)
        {
            open.Remove(pass);
            Monitor.PulseAll(door);
        }
    }

    /// <summary>Makes a change while no pass runs.</summary>
    /// <param name="operation">What the user called.</param>
    /// <param name="change">The change.</param>
    /// <exception cref="PeftException">A pass or a generation that this thread has begun is not over: it would wait for itself.</exception>
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
                throw new PeftException($"{operation} waits until no forward pass runs, but this thread itself is inside of one, or of a generation whose tokens were not read to the end: finish or dispose it first.");
            waiting++;
            while (changer is not null || open.Count > 0) Monitor.Wait(door);
            waiting--;
            changer = Environment.CurrentManagedThreadId;
        }
        Run(change);
    }

    /// <summary>Makes a change if no pass runs; false if one does, and nothing was done.</summary>
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
