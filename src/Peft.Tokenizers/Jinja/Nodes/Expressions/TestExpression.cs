namespace Peft.Tokenizers.Jinja;

internal sealed class TestExpression(int line, Expression value, string name, ArgumentList arguments) : Expression(line)
{
    protected override object? Compute(Frame frame) => Tests.Holds(frame, name, value.Evaluate(frame), arguments.Evaluate(frame));
}
