namespace Peft.Tokenizers.Jinja;

internal sealed class TextStatement(int line, string text) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Write(text);
        return Flow.Next;
    }
}

internal sealed class PrintStatement(int line, Expression value) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        frame.Write(frame.Run.Text(value.Evaluate(frame)));
        return Flow.Next;
    }
}

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

/// <summary>The assistant's content, as marked for transformers.</summary>
internal sealed class GenerationStatement(int line, Block body) : Statement(line)
{
    protected override Flow Run(Frame frame)
    {
        if (!frame.IsCaptured)
        {
            var start = frame.Output.Length;
            body.Execute(frame.Child());
            frame.Run.Generated.Add((start, frame.Output.Length));
            return Flow.Next;
        }
        // The final position of captured text is unknown here, and it may be dropped.
        frame.Run.GenerationInCapture ??= Line;
        body.Execute(frame.Child());
        return Flow.Next;
    }
}
