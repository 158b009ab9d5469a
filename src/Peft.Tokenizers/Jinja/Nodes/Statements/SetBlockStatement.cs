namespace Peft.Tokenizers.Jinja;

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
