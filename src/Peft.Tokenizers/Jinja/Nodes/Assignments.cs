namespace Peft.Tokenizers.Jinja;

internal sealed class SetStatement(int line, Target target, Expression value) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        target.Assign(frame, value.Evaluate(frame));
        return Flow.Next;
    }
}

internal sealed class SetBlockStatement(int line, Target target, List<FilterCall> filters, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        object? value = body.Capture(frame);
        foreach (var filter in filters) value = filter.Apply(frame, value);
        target.Assign(frame, value);
        return Flow.Next;
    }
}

internal sealed class WithStatement(int line, List<(Target Target, Expression Value)> values, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        var inner = frame.Child();
        foreach (var (target, value) in values) target.Assign(inner, value.Evaluate(frame));
        return body.Execute(inner);
    }
}
