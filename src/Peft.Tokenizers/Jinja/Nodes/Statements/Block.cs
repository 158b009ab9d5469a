namespace Peft.Tokenizers.Jinja;

/// <summary>A sequence of statements.</summary>
internal sealed class Block(List<Statement> statements)
{
    public Flow Execute(Frame frame)
    {
        foreach (var statement in statements)
            if (statement.Execute(frame) is not Flow.Next and var flow) return flow;
        return Flow.Next;
    }

    /// <summary>The output of the statements, executed in a new scope.</summary>
    public string Capture(Frame frame)
    {
        var inner = frame.Capturing();
        Execute(inner);
        return inner.Output.ToString();
    }
}
