namespace Peft.Tokenizers.Jinja;

internal sealed class FilterStatement(int line, List<FilterCall> filters, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        object? value = body.Capture(frame);
        foreach (var filter in filters) value = filter.Apply(frame, value);
        frame.Write(frame.Run.Text(value));
        return Flow.Next;
    }
}
