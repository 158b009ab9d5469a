namespace Peft.Tokenizers.Jinja;

internal sealed class LogicalExpression(int line, Expression left, Expression right, bool isOr) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var value = left.Evaluate(frame);
        return Truth.Of(value) == isOr ? value : right.Evaluate(frame);
    }
}
