namespace Peft.Tokenizers.Jinja;

internal sealed class AttributeExpression(int line, Expression target, string name) : Expression(line)
{
    protected override object? Compute(Frame frame) => Members.Attribute(frame.Run, target.Evaluate(frame), name);
}

internal sealed class ItemExpression(int line, Expression target, Expression key) : Expression(line)
{
    protected override object? Compute(Frame frame) => Members.Item(frame.Run, target.Evaluate(frame), key.Evaluate(frame));
}

internal sealed class SliceExpression(int line, Expression target, Expression? start, Expression? stop, Expression? step) : Expression(line)
{
    protected override object? Compute(Frame frame)
        => Slices.Take(frame.Run, target.Evaluate(frame), start?.Evaluate(frame), stop?.Evaluate(frame), step?.Evaluate(frame));
}
