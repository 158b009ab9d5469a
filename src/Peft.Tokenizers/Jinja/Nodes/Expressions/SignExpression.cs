namespace Peft.Tokenizers.Jinja;

internal sealed class SignExpression(int line, Expression value, bool negative) : Expression(line)
{
    protected override object? Compute(Frame frame) => Arithmetic.Sign(value.Evaluate(frame), negative);
}
