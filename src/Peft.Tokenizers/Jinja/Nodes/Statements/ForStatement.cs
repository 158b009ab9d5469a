namespace Peft.Tokenizers.Jinja;

internal sealed class ForStatement(int line) : Statement(line)
{
    public required Target Target { get; init; }
    public required Expression Items { get; init; }
    public required Expression? Condition { get; init; }
    public required Block Body { get; init; }
    public required Block? Else { get; init; }
    public required bool Recursive { get; init; }

    protected override Flow Run(Frame frame)
    {
        Loop(frame, Items.Evaluate(frame), 0);
        return Flow.Next;
    }

    private void Loop(Frame frame, object? items, int depth)
    {
        var state = new LoopState(frame.Run, Chosen(frame, items), depth, Recursive ? Again : null);
        var finished = false;
        while (state.MoveNext())
        {
            var inner = frame.Child();
            inner.Set("loop", state);
            Target.Assign(inner, state.Current);
            var flow = Body.Execute(inner);
            if (flow == Flow.Break) break;
            finished |= flow == Flow.Next;
        }
        // As in Jinja, an iteration that ended early does not prevent the else block.
        if (!finished) Else?.Execute(frame.Child());

        object? Again(object? more)
        {
            var inner = frame.Capturing();
            using (frame.Run.Deeper()) Loop(inner, more, depth + 1);
            return inner.Output.ToString();
        }
    }

    private object? Chosen(Frame frame, object? items)
    {
        if (Condition is null) return items;
        var chosen = new List<object?>();
        foreach (var item in frame.Run.Iterate(items))
        {
            var inner = frame.Child();
            Target.Assign(inner, item);
            if (Truth.Of(Condition.Evaluate(inner))) chosen.Add(item);
        }
        return new PyList(chosen);
    }
}
