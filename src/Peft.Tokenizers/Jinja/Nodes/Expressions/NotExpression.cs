namespace Peft.Tokenizers.Jinja;

internal sealed class NotExpression(int line, Expression value) : Expression(line)
{
    protected override object? Compute(Frame frame) => !Truth.Of(value.Evaluate(frame));
}
