namespace Peft.Tokenizers.Jinja;

internal sealed class ItemExpression(int line, Expression target, Expression key) : Expression(line)
{
    protected override object? Compute(Frame frame) => Members.Item(frame.Run, target.Evaluate(frame), key.Evaluate(frame));
}
