namespace Peft.Tokenizers.Jinja;

/// <summary>An expression, which evaluates to a value.</summary>
internal abstract class Expression(int line)
{
    public int Line => line;

    public object? Evaluate(Frame frame)
    {
        frame.Run.Step(line);
        return Compute(frame);
    }

    protected abstract object? Compute(Frame frame);
}
