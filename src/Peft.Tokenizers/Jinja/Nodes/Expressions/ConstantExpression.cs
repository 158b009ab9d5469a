namespace Peft.Tokenizers.Jinja;

internal sealed class ConstantExpression(int line, object? value) : Expression(line)
{
    protected override object? Compute(Frame frame) => value;
}
