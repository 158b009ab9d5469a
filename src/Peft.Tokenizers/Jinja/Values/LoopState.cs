namespace Peft.Tokenizers.Jinja;

/// <summary>The <c>loop</c> variable of a template.</summary>
internal sealed class LoopState : ICallable
{
    private readonly RenderRun run;
    private readonly IEnumerator<object?> items;
    private readonly object? source;
    private readonly int depth;
    private readonly Func<object?, object?>? again;
    private readonly Queue<object?> ahead = new();
    private object? previous = new Undefined("there is no previous item");
    private object? changedFrom;
    private bool hasChangedFrom;
    private int index = -1;

    /// <param name="run">The rendering.</param>
    /// <param name="source">The value that is iterated.</param>
    /// <param name="depth">Number of enclosing loops of the same statement.</param>
    /// <param name="again">Runs the loop's body for other items; null unless the loop is recursive.</param>
    public LoopState(RenderRun run, object? source, int depth, Func<object?, object?>? again)
    {
        (this.run, this.source, this.depth, this.again) = (run, source, depth, again);
        run.Look(source);   // the items of a dict are copied
        items = Iteration.Of(source).GetEnumerator();
    }

    public object? Current { get; private set; } = new Undefined("the loop has not begun");

    public int Length => source is PyGenerator or LoopState ? index + 1 + AllAhead() : (int)Iteration.Length(run, source);

    public bool MoveNext()
    {
        run.Step();
        if (!LookAhead()) return false;
        if (index >= 0) previous = Current;
        Current = ahead.Dequeue();
        index++;
        return true;
    }

    public IEnumerable<object?> Rest()
    {
        while (MoveNext()) yield return new PyTuple([Current, this]);
    }

    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "index" => index + 1L,
            "index0" => (long)index,
            "revindex" => (long)Length - index,
            "revindex0" => (long)Length - index - 1,
            "first" => index == 0,
            "last" => !LookAhead(),
            "length" => (long)Length,
            "depth" => depth + 1L,
            "depth0" => (long)depth,
            "previtem" => previous,
            "nextitem" => LookAhead() ? ahead.Peek() : new Undefined("there is no next item"),
            "cycle" => new Function("loop.cycle", (_, arguments) => arguments.Positional is { Count: > 0 } values
                ? values[index % values.Count]
                : throw new ChatTemplateException("loop.cycle() requires items.")),
            "changed" => new Function("loop.changed", (frame, arguments) => HasChanged(frame, new PyTuple(arguments.Positional))),
            _ => this,
        };
        return !ReferenceEquals(value, this);
    }

    public object? Call(Frame frame, Arguments arguments)
        => again is null ? throw new ChatTemplateException("A loop must be marked 'recursive' to be called.") : again(arguments.Bind("loop", 1, "iterable")[0]);

    private bool HasChanged(Frame frame, PyTuple values)
    {
        if (hasChangedFrom && Comparisons.AreEqual(frame.Run, changedFrom, values)) return false;
        (changedFrom, hasChangedFrom) = (values, true);
        return true;
    }

    private bool LookAhead()
    {
        if (ahead.Count > 0) return true;
        if (!items.MoveNext()) return false;
        ahead.Enqueue(items.Current);
        return true;
    }

    private int AllAhead()
    {
        while (items.MoveNext())
        {
            run.Step();
            ahead.Enqueue(items.Current);
        }
        return ahead.Count;
    }
}
