namespace Peft.Tokenizers.Jinja;

internal sealed class ConditionalExpression(int line, Expression condition, Expression value, Expression? otherwise) : Expression(line)
{
    protected override object? Compute(Frame frame)
        => Truth.Of(condition.Evaluate(frame)) ? value.Evaluate(frame)
            : otherwise is not null ? otherwise.Evaluate(frame)
            : new Undefined($"the inline if-expression on line {Line} evaluated to false and no else section was defined");
}
