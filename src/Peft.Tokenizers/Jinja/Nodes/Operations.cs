namespace Peft.Tokenizers.Jinja;

internal sealed class ConditionalExpression(int line, Expression condition, Expression value, Expression? otherwise) : Expression(line)
{
    protected override object? Compute(Frame frame)
        => Truth.Of(condition.Evaluate(frame)) ? value.Evaluate(frame)
            : otherwise is not null ? otherwise.Evaluate(frame)
            : new Undefined($"the inline if-expression on line {Line} evaluated to false and no else section was defined");
}

internal sealed class LogicalExpression(int line, Expression left, Expression right, bool isOr) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var value = left.Evaluate(frame);
        return Truth.Of(value) == isOr ? value : right.Evaluate(frame);
    }
}

internal sealed class NotExpression(int line, Expression value) : Expression(line)
{
    protected override object? Compute(Frame frame) => !Truth.Of(value.Evaluate(frame));
}

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

internal sealed class BinaryExpression(int line, string operation, Expression left, Expression right) : Expression(line)
{
    protected override object? Compute(Frame frame) => Arithmetic.Apply(frame.Run, operation, left.Evaluate(frame), right.Evaluate(frame));
}

internal sealed class SignExpression(int line, Expression value, bool negative) : Expression(line)
{
    protected override object? Compute(Frame frame) => Arithmetic.Sign(value.Evaluate(frame), negative);
}

internal sealed class ConcatenationExpression(int line, List<Expression> parts) : Expression(line)
{
    protected override object? Compute(Frame frame)
    {
        var texts = new string[parts.Count];
        for (var i = 0; i < texts.Length; i++) texts[i] = frame.Run.Made(frame.Run.Text(parts[i].Evaluate(frame)));
        return string.Concat(texts);
    }
}
