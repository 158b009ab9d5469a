namespace Peft.Tokenizers.Jinja;

internal sealed class ComparisonExpression(int line, Expression first, List<(string Operator, Expression Operand)> rest) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var left = first.Evaluate(frame);
        foreach (var (operation, operand) in rest)
        {
            var right = operand.Evaluate(frame);
            if (!Comparisons.Holds(frame.Run, operation, left, right)) return false;
            left = right;
        }
        return true;
    }
}
