namespace Peft.Tokenizers.Jinja;

/// <summary>The control flow after a statement.</summary>
internal enum Flow
{
    Next,
    Break,
    Continue,
}

/// <summary>A part of a template that is executed.</summary>
internal abstract class Statement(int line)
{
    public int Line => line;

    public Flow Execute(Frame frame)
    {
        frame.Run.Step(line);
        return Run(frame);
    }

    protected abstract Flow Run(Frame frame);
}

/// <summary>A sequence of statements.</summary>
internal sealed class Block(List<Statement> statements)
{
    public Flow Execute(Frame frame)
    {
        foreach (var statement in statements)
            if (statement.Execute(frame) is not Flow.Next and var flow) return flow;
        return Flow.Next;
    }

    /// <summary>The output of the statements, executed in a scope of their own.</summary>
    public string Capture(Frame frame)
    {
        var inner = frame.Capturing();
        Execute(inner);
        return inner.Output.ToString();
    }
}
