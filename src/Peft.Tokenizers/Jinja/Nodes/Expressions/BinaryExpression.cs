namespace Peft.Tokenizers.Jinja;

internal sealed class BinaryExpression(int line, string operation, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(Frame frame) => Arithmetic.Apply(frame.Run, operation, left.Evaluate(frame), right.Evaluate(frame));
}
